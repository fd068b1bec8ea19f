"""How far a student is with an exercise, a question or an essay, in words."""

from dataclasses import dataclass

from tinybert_l.course.items import Item
from tinybert_l.languages import current_language, in_words, one_of

STATES = {
    "absent": "not handed out yet 尚未发布",
    "open": "not begun 未开始",
    "passes": "passes the visible tests 通过可见测试",
    "fails": "does not pass yet 尚未通过",
    "answered": "answered; right or wrong is said after grading 已作答，对错评分后可知",
    "unchecked": "not checked yet: run this cell 尚未检查，请运行此单元格",
    "unwritten": "still to be written 尚待作答",
    "written": "written; a person grades it 已作答，由人评分",
}
STATE_MARKS = {"passes": "✔ ", "answered": "✔ ", "written": "✔ ", "fails": "✘ "}
MESSAGE_LIMIT = 200  # characters of a failed test's message in the table


@dataclass(frozen=True)
class Progress:
    """The state of one exercise, question or essay in a student's folder.

    Args:
        exercise: its name.
        state: a key of `STATES`.
        message: that of the first visible test that fails.
    """

    exercise: str
    state: str
    message: str = ""


@dataclass(frozen=True)
class Row:
    """One item in the table that home, Validate and `submit` show."""

    item: Item
    state: str
    message: str

    @property
    def outcome(self) -> str:
        """The state in words, with a mark."""
        return f"{STATE_MARKS.get(self.state, '')}{in_words(STATES[self.state])}"

    @property
    def short_message(self) -> str:
        """The beginning of the message, cut between words."""
        return shorten(self.message, MESSAGE_LIMIT)


def shorten(text: str, limit: int) -> str:
    """Cut a text that is too long at the end of a word."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    before_word = cut.rpartition(" ")[0]
    return f"{before_word if len(before_word) > limit // 2 else cut}…"


def summary(rows: list[Row]) -> str:
    """Say in a sentence how far a notebook is."""
    judged = [row for row in rows if not row.item.by_hand and not row.item.is_quiz]
    failed = sum(row.state == "fails" for row in rows)
    passed = sum(row.state == "passes" for row in judged)
    unanswered = sum(row.item.is_quiz and row.state == "open" for row in rows)
    unwritten = sum(row.state == "unwritten" for row in rows)
    if passed == len(judged):
        parts = [in_words("Success: all visible tests pass 可见测试全部通过")]
    else:
        english = f"{passed} of {len(judged)} pass their visible tests"
        parts = [one_of(english, f"{len(judged)}题中{passed}题通过可见测试")]
    if failed:
        parts.append(one_of(f"{failed} fail", f"{failed}题未通过"))
    if unanswered:
        questions = "question" if unanswered == 1 else "questions"
        parts.append(one_of(f"{unanswered} quiz {questions} open", f"{unanswered}道测验题未答"))
    if unwritten:
        parts.append(one_of(f"{unwritten} still to be written", f"{unwritten}道论述题待作答"))
    return ("；" if current_language() == "zh" else "; ").join(parts)
