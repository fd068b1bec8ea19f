"""What goes with a release: nothing by itself, answers when they may, and never unasked."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.errors import InvalidInput
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.leaks import LeakError
from tinybert_l.grading.release import handout, leak_scan, plan, release

pytestmark = pytest.mark.slow  # each lecture, record or release takes a second or two


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Course:
    return setup.init(tmp_path_factory.mktemp("release") / "course")


@pytest.fixture
def course(made, monkeypatch) -> Course:
    """A new course, whose folder is the working directory."""
    (made.folder / "course.toml").write_text('course = "mine"\n')
    monkeypatch.chdir(made.folder)
    return made


def set_due(course: Course, **days_ago: float) -> None:
    """Write a calendar in which lectures were due so many days ago: `lecture_1=30`."""
    lines = ["[due]"]
    for name, days in days_ago.items():
        when = datetime.now(UTC) - timedelta(days=days)
        lines.append(f"{name.removeprefix('lecture_')} = {when:%Y-%m-%dT%H:%M:%SZ}")
    (course.folder / "course.toml").write_text(
        "\n".join([*lines, "[late]", "answers_after_days = 7"])
    )


def run(*words: str, answer: str | None = None, status: int = 0) -> str:
    result = CliRunner().invoke(main, list(words), input=answer, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def answers_in(course: Course) -> list[str]:
    folder = course.folder / "release" / "03-architecture" / "solutions"
    return sorted(path.name for path in folder.iterdir())


def test_without_due_dates_no_answers_go_out(course):
    said = run("release", "3")
    assert answers_in(course) == []
    assert "go with it 附带的参考答案: none" in said
    assert said.count("no due date in course.toml") == 2
    readme = (course.folder / "release" / "03-architecture" / "README.md").read_text("utf-8")
    assert "earlier lectures: none" in readme


def test_what_goes_with_it_is_said_and_asked_for_once(course):
    set_due(course, lecture_1=30, lecture_2=2)
    handout(course, 3).unlink(missing_ok=True)
    for refusal in ("n\n", ""):
        said = run("release", "3", answer=refusal, status=1)
        assert "参考答案: lectures 1\n" in said and "lecture 2 stay here: its late" in said
        assert said.count("Give them out?") == 1 and not handout(course, 3).exists()
    run("release", "3", answer="y\n")
    assert answers_in(course) == ["lecture_01.py"]


def test_a_script_says_yes(course):
    set_due(course, lecture_1=30, lecture_2=30)
    assert "Give them out?" not in run("release", "3", "--yes")
    assert answers_in(course) == ["lecture_01.py", "lecture_02.py"]


@pytest.mark.parametrize(
    ("words", "given"),
    [("all", ["lecture_01.py", "lecture_02.py"]), ("2", ["lecture_02.py"]), ("none", [])],
)
def test_answers_are_chosen_by_hand(course, words, given):
    set_due(course, lecture_1=30)
    run("release", "3", "--answers", words, "--yes")
    assert answers_in(course) == given


def test_answers_of_the_lecture_itself_are_refused_before_anything_is_made(course):
    said = run("release", "3", "--answers", "2,3", "--yes", status=1)
    assert "answers of lecture 3; allowed: those of earlier lectures" in said
    assert "allowed: all, none, or numbers" in run("release", "3", "--answers", "x", status=2)
    with pytest.raises(InvalidInput, match="lecture 12"):
        plan(course, 3, {12})
    assert plan(course, 11, range(1, 11)).answers == (1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_answers_that_were_not_given_out_are_leaks(course):
    folder = release(course, 3, answers={1, 2})
    assert leak_scan(folder, course.sources, course.solutions, 3) == []
    leaks = leak_scan(folder, course.sources, course.solutions, 3, given_out={1})
    assert leaks and all("lecture_02.py" in leak for leak in leaks)


def test_a_leaking_release_is_withdrawn(course, monkeypatch):
    secret = (course.solutions / "lecture_03.py").read_text(encoding="utf-8")
    monkeypatch.setattr("tinybert_l.grading.release.CONFIGURATION", secret)
    with pytest.raises(LeakError, match=r"release of lecture 3.*\n.*nbgrader_config"):
        release(course, 3)
    assert not (course.folder / "release" / "03-architecture").exists()


@pytest.mark.parametrize("stopped_in", ["_add_answers", "_zipped"])
def test_a_release_that_is_stopped_leaves_the_earlier_one_whole(course, monkeypatch, stopped_in):
    folder = release(course, 3, lang="zh")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    packed = handout(course, 3).read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"tinybert_l.grading.release.{stopped_in}", stop)
        release(course, 3, lang="en")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert handout(course, 3).read_bytes() == packed
