"""One language is one language: of a text, of code, of a figure, of a table, of an error."""

import ast
import io
import re

import nbformat
import pandas as pd
import pytest
from matplotlib.text import Text

from tinybert_l.course import evidence, figures, tables
from tinybert_l.course.authoring import in_language
from tinybert_l.course.captions import stored_words
from tinybert_l.course.code_texts import code_in_language, unclear_texts
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.records import read_record
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS, begin
from tinybert_l.languages import current_language, in_words, showing, unclear, words_in

CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("not begun 未开始", "not begun", "未开始"),
        ("embeddings 嵌入: 52.1 %", "embeddings: 52.1 %", "嵌入: 52.1 %"),
        ("params 参数 (M): printed 印出", "params (M): printed", "参数 (M): 印出"),
        ("7.5× smaller 更小", "7.5× smaller", "7.5× 更小"),
        (
            "BERT-base, vocabulary 词表 21128",
            "BERT-base, vocabulary 21128",
            "BERT-base, 词表 21128",
        ),
        ("one, two 一、二", "one, two", "一、二"),
        ("80: biases are missing. 漏了偏置。", "80: biases are missing.", "80: 漏了偏置。"),
        (
            "f(6, 3) is 3; got 2. f(6, 3)应为3；得到2。",
            "f(6, 3) is 3; got 2.",
            "f(6, 3)应为3；得到2。",
        ),
        ("It is 3; got [1, 2]. 应为3；得到[1, 2]。", "It is 3; got [1, 2].", "应为3；得到[1, 2]。"),
        ("KL (nats)\n散度（奈特）", "KL (nats)", "散度（奈特）"),
        ("更稳定 (more stable)", "more stable", "更稳定"),
        ("left 左\n(by size 按大小)", "left\n(by size)", "左\n(按大小)"),
        ("只有中文", "只有中文", "只有中文"),
        ("English alone", "English alone", "English alone"),
        ("KL散度与BERT-base", "KL散度与BERT-base", "KL散度与BERT-base"),
    ],
)
def test_a_text_falls_into_its_halves(text, english, chinese):
    assert in_words(text, "en") == english and in_words(text, "zh") == chinese
    assert in_words(chinese, "zh") == chinese, "what is in one language stays"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("It is 3; got \ue000. 应为3。", "a value is lost in zh"),
        ("It is 3. 应为3；得到\ue000。", "a value is lost in en"),
        ("图1。 A figure with words", "Chinese without English before it"),
        ("parameters 参数: 3 of 4", "English is left in the Chinese text: 'of'"),
        ("what is lost: the layer 层", "is ':' shared"),
    ],
)
def test_a_text_that_cannot_be_told_apart_is_named(text, reason):
    assert reason in unclear(text)


SOURCE = """\
x = f"size 大小 {sizes['a b']:>{width}}: {len('a 甲')}"  # count them 数一数
print(x, 'three words '
      'here 这里三个词')
judge("更稳定", "more stable", gap)
read("一段中文", 3)
y = r"\d" if a != b else {"k": "v 值"}"""
IN_CHINESE = """\
x = f"大小 {sizes['a b']:>{width}}: {len('甲')}"  # 数一数
print(x, '这里三个词')
judge("更稳定", "", gap)
read("一段中文", 3)
y = r"\d" if a != b else {"k": "值"}"""
IN_ENGLISH = """\
x = f"size {sizes['a b']:>{width}}: {len('a')}"  # count them
print(x, 'three words '
      'here')
judge("", "more stable", gap)
read("一段中文", 3)
y = r"\d" if a != b else {"k": "v"}"""


def test_code_keeps_all_but_its_texts():
    assert code_in_language(SOURCE, "zh") == IN_CHINESE
    assert code_in_language(SOURCE, "en") == IN_ENGLISH
    assert unclear_texts(SOURCE) == []


def notebook_of(checkout, lecture):
    name = NOTEBOOKS[lecture]
    return nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_each_text_in_the_code_of_a_lecture_is_clear_in_both_languages(checkout, lecture):
    """A literal that fails is to be worded as English, one blank, Chinese; see `languages.py`."""
    listed = []
    for cell in notebook_of(checkout, lecture).cells:
        if cell.cell_type == "code":
            listed += [f"{cell.id}: {text}" for text in unclear_texts(cell.source)]
    assert not listed, "\n".join(listed)


@pytest.mark.parametrize("lecture", NOTEBOOKS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_lecture_in_one_language_is_in_one_language(checkout, lecture, language):
    notebook = in_language(notebook_of(checkout, lecture), language)
    other = [
        cell.id for cell in notebook.cells if cell.cell_type == "code" and wrong(cell, language)
    ]
    assert not other
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, cell.id, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    begins = [cell.source for cell in notebook.cells if "begin(lecture=" in cell.source]
    assert f'begin(lecture={lecture}, language="{language}")' in begins[0]


@pytest.mark.parametrize("lecture", NOTEBOOKS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_fold_keeps_both_its_tags_in_one_language(checkout, lecture, language):
    notebook = in_language(notebook_of(checkout, lecture), language)
    for cell in notebook.cells:
        for tag in ("details", "summary"):
            opened, closed = cell.source.count(f"<{tag}>"), cell.source.count(f"</{tag}>")
            assert opened == closed, f"{cell.id}: {opened} <{tag}>, {closed} </{tag}>"


def wrong(cell, language):
    """Whether a cell has Chinese where all is English, or a message of a test without Chinese."""
    if language == "en":
        return CHINESE.search(cell.source)
    if not cell.metadata.get("nbgrader", {}).get("grade"):
        return False
    messages = [node.msg for node in ast.walk(ast.parse(cell.source)) if is_message(node)]
    return any(not CHINESE.search(ast.unparse(message)) for message in messages)


def is_message(node):
    """Whether a node is an assertion whose message has words of its own."""
    words = re.compile(r"[a-z]{2,}[, ]+[a-z]{3,}")
    if not isinstance(node, ast.Assert) or node.msg is None:
        return False
    literals = [part for part in ast.walk(node.msg) if isinstance(part, ast.Constant)]
    return any(isinstance(part.value, str) and words.search(part.value) for part in literals)


def test_a_figure_is_shown_in_one_language(capsys):
    figure, axes = figures.new_figure(4, 3)
    axes.set(title="size 大小", xlabel="step 步")
    axes.plot([1, 2], label="loss 损失")
    axes.legend()
    axes.set_xticks([0, 1], ["one 一", "two 二"])
    with showing("zh"):
        figures.say_in_language(figure)
        figure.savefig(io.BytesIO(), format="png")
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"大小", "步", "损失", "一", "二"} <= texts
    assert not any(re.search(r"[a-z]{2}", text) for text in texts)


def test_a_table_is_shown_in_one_language():
    frame = pd.DataFrame({"model 模型": ["teacher 教师", "6×1"], "kept 保留 (%)": [100.0, 97.5]})
    both = tables.styled(frame, "Table 9 表9: sizes 大小").to_html()
    assert "teacher 教师" in both
    with showing("en"):
        page = tables.styled(frame, "Table 9 表9: sizes 大小").to_html()
    assert "Table 9: sizes" in page and "kept (%)" in page and not CHINESE.search(page)


def test_thousands_are_grouped_in_tables():
    page = tables.styled(pd.DataFrame({"steps": [3840], "ms": [1234.567]}), "sizes").to_html()
    assert ">3,840<" in page and ">1,234.57<" in page


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_two_columns_of_a_record_have_one_name_in_one_language(name, language):
    record = read_record(name)
    if record is None:
        pytest.skip(f"results/{name}.json is not there yet")
    both = [list(tables.short_row_cells(row).values()) for row in record.rows]
    with showing(language):
        assert [list(tables.short_row_cells(row).values()) for row in record.rows] == both


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        (
            "3×½, windows: gain 增益: > 0.00 points; 2×¼, none 无预训练: gain 增益: > 0.00 points",
            "3×½, windows: gain: > 0.00 points; 2×¼, none: gain: > 0.00 points",
            "3×½, 切窗口: 增益: > 0.00 百分点; 2×¼, 无预训练: 增益: > 0.00 百分点",
        ),
        (
            "2×¼, torch / teacher 教师, torch: ms: < 1.00 ×",
            "2×¼, torch / teacher, torch: ms: < 1.00 ×",
            "2×¼, torch / 教师, torch: 毫秒: < 1.00 ×",
        ),
        (
            "of the joint run / cut from the teacher 联合训练的/由教师切出的: < 0.95 ×",
            "of the joint run / cut from the teacher: < 0.95 ×",
            "联合训练的/由教师切出的: < 0.95 ×",
        ),
        (
            "5.2 [3.2, 7.4] points; 0.9 ×",
            "5.2 [3.2, 7.4] points; 0.9 ×",
            "5.2 [3.2, 7.4] 百分点; 0.9 ×",
        ),
    ],
)
def test_a_stored_verdict_keeps_each_of_its_parts_in_one_language(text, english, chinese):
    assert stored_words(text) == text
    with showing("en"):
        assert stored_words(text) == english
    with showing("zh"):
        assert stored_words(text) == chinese
        assert stored_words(chinese) == chinese


def test_an_error_is_shown_in_one_language():
    error = InvalidInput("f: x=3; allowed: 1 or 2. 只能取1或2。")
    with showing("zh"):
        assert str(error) == "f: 只能取1或2。"
    with showing("en"):
        assert str(error) == "f: x=3; allowed: 1 or 2."
    assert "allowed" in str(error) and "只能" in str(error)


def test_verdicts_need_the_words_of_one_language_there():
    with pytest.raises(InvalidInput, match="both languages"):
        evidence.no_record("更稳定", "", "几个种子", "")
    with showing("zh"):
        verdict = evidence.no_record("更稳定", "", "几个种子", "").to_verdict()
    assert verdict.claim == "更稳定" and verdict.verdict == "凭现有数据无法判定，还缺：几个种子"


def test_begin_sets_the_language_and_refuses_others(monkeypatch, capsys, checkout):
    monkeypatch.setenv("TINYBERT_L_LANGUAGE", "en")
    begin(lecture=3, language="zh")
    assert current_language() == "zh"
    said = capsys.readouterr().out.replace(str(checkout), "")
    assert "第3讲" in said and "lecture" not in said and "待你完成" in said
    with pytest.raises(InvalidInput, match="language='de'"):
        begin(lecture=3, language="de")


def test_words_within_values_are_reduced_too():
    value = {"size 大小": ["one 一", 2]}
    assert words_in(value, "zh") == {"大小": ["一", 2]}
    assert words_in(value) == value


NO_SENTENCE = re.compile(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`]*`|\(https?:[^)]*\)", re.S)
UNGROUPED = re.compile(r"(?<![\d.,A-Za-z_#/-])\d{4,}(?![\dA-Za-z_/-]|,\d)(?!\.\d)")


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_thousands_are_grouped_in_sentences(checkout, lecture):
    """1,200 and not 1200; formulas have no commas, and years none either."""
    for cell in notebook_of(checkout, lecture).cells:
        if cell.cell_type != "markdown":
            continue
        sentences = NO_SENTENCE.sub("", cell.source)
        numbers = UNGROUPED.findall(sentences)
        assert [n for n in numbers if not 1900 <= int(n) <= 2030] == [], cell.id
