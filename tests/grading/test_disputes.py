"""Requests for another judgement: honest ones are answered, forged ones refused with the reason."""

import json
from hashlib import sha256

import nbformat
import pytest
from attacks.disputes import MARKUP, forged
from bs4 import BeautifulSoup
from marking_class import QUESTION, make_class
from quick_course import Submissions, quick_course

from tinybert_l.cli.app import main
from tinybert_l.course.disputes import Dispute, write_dispute
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answers import answer_cells
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import disputes as module
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.disputes import answer_disputes
from tinybert_l.grading.marking.desk import Desk
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.results.grades import Grading
from tinybert_l.grading.results.requests import Request, keep_request, read_requests
from tinybert_l.grading.run import feedback, grade, prove

LECTURE = 3
NAME = NOTEBOOKS[LECTURE]


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    """Ann and bo have handed in; whoever is judged gets a point more, without a sandbox."""
    course = quick_course(tmp_path / "course", LECTURE, monkeypatch)
    submissions = Submissions(course, LECTURE)
    for student in ("ann", "bo"):
        submissions.hand_in(student, {"layer_map": f"# {student}"})
    judged: list[str] = []

    def judge(course, lecture, students, options):
        judged.extend(f"{student} {options.exercise}" for student in students)
        return Grading([], {})

    def points(self, students, exercise):
        return {student: float(len(judged)) for student in students}

    monkeypatch.setattr(module, "grade", judge)
    monkeypatch.setattr(module._Desk, "_points", points)
    monkeypatch.setattr(Course, "judged", judged, raising=False)
    return course


def request(course: Course, student: str, **changed: str) -> dict[str, str]:
    digest = sha256(course.submission(student, LECTURE).read_bytes()).hexdigest()
    fields = {"student": student, "assignment": NAME, "exercise": "layer_map"}
    fields |= {"submission": digest, "because": "The test is wrong.", "at": "2026-12-01"}
    tree = json.loads(Dispute(**fields).to_json())
    return {**tree, **changed}


def test_forged_requests_are_refused_each_with_its_reason(course, tmp_path):
    folder = tmp_path / "requests"
    good = request(course, "ann")
    files = forged(good, request(course, "bo")["submission"])
    files["a.json"] = (json.dumps(good).encode(), "")
    files["twice.json"] = (json.dumps({**good, "because": "again"}).encode(), "second request")
    for path, (content, _) in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "link.json").symlink_to("/etc/passwd")
    answers = answer_disputes(course, LECTURE, folder)
    for path, (_, reason) in files.items():
        assert reason in answers.refused.get(path, ""), (path, answers.refused.get(path))
        assert bool(reason) == (path in answers.refused), path
    assert "symbolic link" in answers.refused["link.json"]
    assert course.judged == ["ann layer_map"] and len(answers.requests) == 1
    last = list(Audit(course.folder).entries())[-1]
    assert last["event"] == "disputes refused" and last["count"] == len(answers.refused)
    assert not list(course.folder.parent.glob("**/passwd*"))


def test_a_flood_costs_one_judgement_and_one_line_in_the_record(course, tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    for number in range(500):
        (folder / f"{number:05}.json").write_text(json.dumps(request(course, "ann")))
    answers = answer_disputes(course, LECTURE, folder)
    assert course.judged == ["ann layer_map"] and len(answers.copies) == 499
    assert not answers.refused and set(answers.copies.values()) == {"00000.json"}
    for number in range(500):
        again = request(course, "ann", because=f"The test is wrong, {number}.")
        (folder / f"x{number:05}.json").write_text(json.dumps(again))
    answers = answer_disputes(course, LECTURE, folder)
    assert course.judged == ["ann layer_map"] and len(answers.refused) == 500
    assert "beside 00000.json" in answers.refused["x00007.json"]
    events = [entry["event"] for entry in Audit(course.folder).entries()]
    assert events == ["dispute", "disputes refused"]
    again = answer_disputes(course, LECTURE, folder)
    assert not again.requests and len(again.earlier) == 1 and len(course.judged) == 1


def test_a_platforms_name_says_whose_request_it_is(course, tmp_path):
    """Moodle numbers people anew for each assignment; the student signs with a login name."""
    Submissions(course, LECTURE).hand_in("Ann_Li-7", {"layer_map": "# li"})
    path = tmp_path / "requests" / "Ann Li_99_assignsubmission_file_" / "x.dispute.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**request(course, "Ann_Li-7"), "student": "ali"}))
    answers = answer_disputes(course, LECTURE, tmp_path / "requests")
    assert not answers.refused and course.judged == ["Ann_Li-7 layer_map"]


@pytest.mark.parametrize(
    ("name", "encoding", "changed"),
    [
        ("a.dispute.json.txt", "utf-8", {}),
        ("a.dispute (1).json", "utf-16", {}),
        ("a.dispute.json", "utf-8-sig", {"student": "ANN"}),
        ("ann-03-architecture/a.json", "utf-8", {}),
        ("._a.json", "utf-8", None),
    ],
)
def test_editors_and_browsers_change_a_file_and_not_the_request(
    course, tmp_path, name, encoding, changed
):
    path = tmp_path / "requests" / name
    path.parent.mkdir(parents=True)
    asked = {**request(course, "ann"), **(changed or {})}
    asked["submission"] = asked["submission"].upper()
    path.write_bytes(json.dumps(asked).encode(encoding))
    answers = answer_disputes(course, LECTURE, tmp_path / "requests")
    assert not answers.refused
    assert course.judged == ([] if changed is None else ["ann layer_map"])


def test_one_request_is_a_file_too(course, tmp_path):
    path = tmp_path / "ann.dispute.json"
    path.write_text(json.dumps(request(course, "ann")))
    assert not answer_disputes(course, LECTURE, path).refused
    assert course.judged == ["ann layer_map"]


def test_other_words_are_a_new_request_and_the_same_ones_are_not(course, tmp_path):
    path = tmp_path / "ann.dispute.json"
    for because, times in (("It is wrong.", 1), ("It is wrong.", 1), ("Line 2!", 2)):
        path.write_text(json.dumps(request(course, "ann", because=because)))
        answer_disputes(course, LECTURE, path)
        assert len(course.judged) == times
    kept = read_requests(course.folder, NAME, "ann")
    assert [x.because for x in kept] == ["It is wrong.", "Line 2!"]


def test_feedback_says_what_a_person_has_decided_since(tmp_path):
    course = make_class(tmp_path / "course", {"ann": "An answer."})
    fields = {"exercise": QUESTION, "because": "Look.", "before": 1.0, "after": 1.0}
    fields |= {"by_hand": True, "submission": "", "source": "", "at": ""}
    keep_request(course.folder, NAME, Request("ann", **fields))
    page = course.folder / "feedback" / "ann" / NAME / f"{NAME}.html"

    def told() -> str:
        feedback(course, LECTURE)
        text = BeautifulSoup(page.read_text("utf-8"), "html.parser")
        return text.find_all("table", class_="items")[1].get_text(" ")

    assert "a person looks at it again" in told()
    for points, said in ((1, "the points stay 1"), (3, "1 → 3")):
        with Desk(course, LECTURE) as desk:
            sheet = desk.sheet(QUESTION)
            sheet.give(sheet.codes["ann"], False, points, [])
        assert "has looked at it again" in told() and said in told()


def test_what_was_asked_is_only_shown(course):
    fields = {"exercise": "layer_map", "because": MARKUP, "before": 2.0, "after": 4.0}
    fields |= {"by_hand": False, "submission": "", "source": "", "at": ""}
    keep_request(course.folder, NAME, Request("ann", **fields))
    notebook = nbformat.read(course.submission("ann", LECTURE), as_version=4)
    (kept,) = read_requests(course.folder, NAME, "ann")
    page = render(notebook, NAME, {}, requests=[kept])
    tree = BeautifulSoup(page, "html.parser")
    asked = tree.find_all("table", class_="items")[1]
    assert not asked.find_all(["script", "img"]) and "2 → 4" in asked.get_text()
    assert "\\x1b[2J\\u202e" in asked.get_text() and "\x1b" not in page


def test_the_student_writes_a_file_whole_or_not_at_all(course, tmp_path, monkeypatch):
    notebook = course.submission("ann", LECTURE)
    path = write_dispute(LECTURE, "essay", "I wrote it.", "ann", notebook, tmp_path)
    dispute = Dispute.from_bytes(path.read_bytes())
    assert dispute.submission == sha256(notebook.read_bytes()).hexdigest()
    assert path.name == f"ann-{NAME}-essay.dispute.json"
    monkeypatch.chdir(tmp_path)
    for words, message in (
        (("layer_mop", "x", "ann", notebook), "allowed: kept_layers"),
        (("layer_map", " ", "ann", notebook), "allowed: 1 to 2000"),
        (("layer_map", "x" * 2001, "ann", notebook), "allowed: 1 to 2000"),
        (("layer_map", "x", "../ann", notebook), "allowed: 1 to 64 letters"),
        (("layer_map", "x", "ann", None), "--hand-in"),
    ):
        with pytest.raises(InvalidInput, match=message):
            write_dispute(LECTURE, *words, tmp_path)
    assert sorted(file.name for file in tmp_path.glob("*.json")) == [path.name]


@pytest.mark.nightly
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_a_request_is_judged_answered_and_recorded(tmp_path):
    """From the student's command to the feedback, with the real judge and a person's question."""
    from click.testing import CliRunner

    course = setup.init(tmp_path / "course")
    released = release(course, LECTURE)
    answers = answer_cells(course.sources / NAME / f"{NAME}.ipynb")
    submissions = Submissions(course, LECTURE)
    for student in ("ann", "bo"):
        submissions.hand_in(student, {"layer_map": answers["layer_map"], "essay": "Because."})
    grade(course, LECTURE)
    with Book(course.database, NAME) as book:
        before = book.automatic()
    run = CliRunner()
    wishes = tmp_path / "wishes"
    for exercise in ("kept_layers", "layer_map", "essay"):
        words = ["dispute", "3", exercise, "--because", "Look <b>again</b>.", "--student", "ann"]
        words += ["--hand-in", str(course.submission("ann", LECTURE)), "--to", str(wishes)]
        result = run.invoke(main, words)
        assert result.exit_code == 0, result.output
    words = ["grade", "3", "--disputes", str(wishes), "--output", str(course.folder.parent)]
    result = run.invoke(main, words)
    assert result.exit_code == 0, result.output
    with Book(course.database, NAME) as book:
        assert book.automatic() == before
        (ann, bo) = book.totals()
    assert ann.to_grade_by_hand == 1 and prove(course, LECTURE) == []
    assert bo.score == ann.score and released.is_dir()
    kept = [entry for entry in Audit(course.folder).entries() if entry["event"] == "dispute"]
    assert {entry["exercise"]: entry["by_hand"] for entry in kept} == {
        "kept_layers": False,
        "layer_map": False,
        "essay": True,
    }
    feedback(course, LECTURE)  # written anew, it still answers
    page = (course.folder / "feedback" / "ann" / NAME / f"{NAME}.html").read_text("utf-8")
    asked = BeautifulSoup(page, "html.parser").find_all("table", class_="items")[1].get_text(" ")
    assert "Look <b>again</b>." in asked and "a person looks at it again" in asked
    assert asked.count("the points stay") == 2
    other = (course.folder / "feedback" / "bo" / NAME / f"{NAME}.html").read_text("utf-8")
    assert "Look" not in other and "judged anew" not in other
