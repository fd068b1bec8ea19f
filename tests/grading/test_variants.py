"""Own numbers in releases and in grading: each has their own, and is judged by no one else's."""

import json
import zipfile

import nbformat
import pytest
from nbgrader.utils import compute_checksum
from quick_course import quick_course

from tinybert_l.course.home import STUDENT_METADATA
from tinybert_l.course.quiz_cells import source_of_test
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import RELEASED_FOR
from tinybert_l.grading.assignment import normalised, place_of
from tinybert_l.grading.handouts import write_handouts
from tinybert_l.grading.leaks import LeakError
from tinybert_l.grading.likeness.find import _own_given
from tinybert_l.grading.likeness.grams import essay_grams
from tinybert_l.grading.serving.judging import visible_assignment
from tinybert_l.grading.submission import sanitise
from tinybert_l.grading.variants import (
    FOLDER,
    SECRET,
    NotReleasedFor,
    Variants,
    assignment_of,
    record_path,
    with_changes,
)
from tinybert_l.grading.verdicts import make_plan, verdicts_of

LECTURE = 3
NAME = NOTEBOOKS[LECTURE]
STUDENTS = ["ann17", "bea18", "cai19"]
ANSWER = "quiz_3_4"


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def course(tmp_path_factory, patch):
    """A course in which lecture 3 was released per student."""
    course = quick_course(tmp_path_factory.mktemp("variants") / "course", LECTURE, patch)
    folder = course.folder / "release" / NAME
    (folder / "README.md").write_text("# A lecture\n", encoding="utf-8")
    (folder / "library.whl").write_bytes(b"packed already")
    Variants.new(course, LECTURE, STUDENTS).write(course)
    return course


@pytest.fixture(scope="module")
def variants(course) -> Variants:
    found = Variants.of(course, LECTURE)
    assert found is not None and found.students == tuple(STUDENTS)
    return found


@pytest.fixture(scope="module")
def handouts(course, variants) -> dict[str, zipfile.ZipFile]:
    target = course.folder / "handouts" / NAME
    folder = course.folder / "release" / NAME
    files = write_handouts(folder, target, variants, None, {})
    return {path.stem: zipfile.ZipFile(path) for path in files}


def notebook_of(handout: zipfile.ZipFile):
    return nbformat.reads(handout.read(f"{NAME}/{NAME}.ipynb").decode(), as_version=4)


def cell_of(notebook, name: str):
    (cell,) = [cell for cell in notebook.cells if place_of(cell) == f"name {name}"]
    return cell


def answered(notebook, variants: Variants, student: str):
    """The notebook with the right answers to the questions of this student."""
    numbers = variants.numbers(student)
    for question in variants.questions:
        own = question.with_numbers(numbers[question.name])
        cell_of(notebook, question.name).source = f"{question.name} = {own.answer}"
    return notebook


def failed_tests(notebook, assignment, variants: Variants) -> set[str]:
    """Which tests of own numbers a handed-in notebook fails, by the assignment's sources."""
    sanitise(notebook, assignment)
    sources = {cell.name: cell.source for cell in assignment.cells}
    failed = set()
    for question in variants.questions:
        namespace = {"__name__": "__main__"}
        exec(cell_of(notebook, question.name).source, namespace)
        try:
            exec(sources[f"test_{question.name}"], namespace)
        except AssertionError:
            failed.add(question.name)
    return failed


def test_everybody_gets_a_zip_file_with_numbers_of_their_own(handouts, variants):
    assert sorted(handouts) == STUDENTS
    sources = {}
    for student, handout in handouts.items():
        names = [f"{NAME}/{name}" for name in (f"{NAME}.ipynb", "README.md", "library.whl")]
        assert sorted(handout.namelist()) == sorted(names)
        assert handout.read(f"{NAME}/README.md").decode().startswith(f"Made for {student}:")
        notebook = notebook_of(handout)
        assert notebook.metadata[STUDENT_METADATA] == student
        numbers = variants.numbers(student)[ANSWER]
        for name in (ANSWER, f"test_{ANSWER}"):
            lines = cell_of(notebook, name).source.splitlines()
            assert f"my_layers = {numbers['my_layers']}" in lines
            assert f"my_depths = {numbers['my_depths']}" in lines
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert f"a teacher has {numbers['my_layers']} layers" in text
        assert f"教师有{numbers['my_layers']}层" in text
        sources[student] = text
    assert len(set(sources.values())) == len(STUDENTS)


def test_a_release_tells_nothing_of_others_and_not_the_secret(course, handouts, variants):
    secret = (course.folder / FOLDER / SECRET).read_text()
    for student, handout in handouts.items():
        packed = "\n".join(handout.read(name).decode() for name in handout.namelist())
        assert secret not in packed and "HIDDEN TESTS" not in packed
        texts = {normalised(cell.source) for cell in notebook_of(handout).cells}
        for other in set(STUDENTS) - {student}:
            assert other not in json.dumps(notebook_of(handout))
            assert not texts & {normalised(change.after) for change in variants.changes(other)}
        for question in variants.questions:
            for owner in STUDENTS:
                own = question.with_numbers(variants.numbers(owner)[question.name])
                assert f"{question.name} = {own.answer}" not in packed


def test_a_cell_that_gives_something_away_stops_the_release(course, variants, tmp_path):
    folder = course.folder / "release" / NAME
    numbers = variants.numbers("bea18")[ANSWER]
    secrets = {f"my_layers={numbers['my_layers']}": "planted"}
    with pytest.raises(LeakError, match="release for bea18"):
        write_handouts(folder, tmp_path / "handouts", variants, None, secrets)
    assert not (tmp_path / "handouts").exists()


@pytest.mark.parametrize("student", STUDENTS)
def test_right_answers_earn_by_ones_own_numbers_alone(course, handouts, variants, student):
    """A neighbour's answers, and a neighbour's whole notebook, fail by the student's numbers."""
    assignment = assignment_of(course, LECTURE, student)
    assignment = with_sources(assignment, variants, student)
    own = answered(notebook_of(handouts[student]), variants, student)
    assert failed_tests(own, assignment, variants) == set()
    for other in set(STUDENTS) - {student}:
        copied = answered(notebook_of(handouts[student]), variants, other)
        assert ANSWER in failed_tests(copied, assignment, variants)
        whole = answered(notebook_of(handouts[other]), variants, other)
        assert ANSWER in failed_tests(whole, assignment, variants)


def with_sources(assignment, variants: Variants, student: str):
    """The assignment as the gradebook has it, hidden tests included (the quick course has none)."""
    tests = {}
    for question in variants.questions:
        own = question.with_numbers(variants.numbers(student)[question.name])
        tests[f"test_{question.name}"] = source_of_test(own)
    for cell in assignment.cells:
        if cell.name in tests and cell.name == f"test_{ANSWER}":
            assert cell.source == tests[cell.name], "the hidden test has the student's numbers"
    common = [change for change in variants.changes(student) if not change.is_part]
    assert with_changes(assignment, common).fingerprint == assignment.fingerprint
    return assignment


def test_a_copied_notebook_is_noted_and_an_own_one_is_not(handouts, variants):
    def raw(student: str) -> bytes:
        return handouts[student].read(f"{NAME}/{NAME}.ipynb")

    assert variants.remark("ann17", raw("ann17")) == ""
    assert variants.remark("ann17", raw("bea18")).startswith(f"{RELEASED_FOR} bea18: look")
    claims = json.loads(raw("bea18"))
    claims["metadata"][STUDENT_METADATA] = "ann17"  # a claim of the notebook's own decides nothing
    assert "bea18" in variants.remark("ann17", json.dumps(claims).encode())
    assert "no release" in variants.remark("eve", raw("ann17"))
    assert variants.remark("ann17", b"no notebook") == ""


def test_what_was_released_to_a_student_is_known_as_released(course, handouts, variants):
    """Nobody who left a box empty has answered; a student's own question is no text of theirs."""
    for student in STUDENTS:
        assignment = variants.assignment(course.assignment(LECTURE), student)
        notebook = notebook_of(handouts[student])
        layout = [place_of(cell) for cell in notebook.cells]
        assert [assignment.place_of(cell) for cell in notebook.cells] == list(assignment.layout)
        assert layout != list(course.assignment(LECTURE).layout)
        assert sanitise(notebook, assignment) == []
        plan, _, _ = make_plan(notebook, assignment)
        assert len(plan.tests) == len(assignment.tests())
        for cell in notebook.cells:
            cell.execution_count = 1 if cell.cell_type == "code" else None
        (verdict,) = [v for v in verdicts_of(notebook, assignment) if v.cell == ANSWER]
        assert not verdict.answered
        repairs = sanitise(
            notebook_of(handouts["bea18"]), variants.assignment(course.assignment(LECTURE), "ann17")
        )
        assert f"test_{ANSWER}: its locked text was changed" in " ".join(repairs)


def test_what_a_student_was_given_counts_as_given_for_that_student_alone(variants):
    """A quoted text of one's own release is no likeness; a neighbour's text in it is."""
    given = {student: _own_given(variants, student, is_code=False) for student in STUDENTS}
    for student in STUDENTS:
        layers = variants.numbers(student)[ANSWER]["my_layers"]
        text = f"Your numbers: a teacher has {layers} layers. Which of them does a sub-model keep"
        runs = {gram.text for gram in essay_grams(text)}
        assert runs & given[student] and len(runs - given[student]) < len(runs) / 2
    assert given["ann17"] != given["bea18"] and not _own_given(variants, "eve", is_code=True)
    assert _own_given(variants, "ann17", is_code=True)


def test_checksums_are_those_of_the_own_cells(handouts, course, tmp_path, variants):
    source = course.folder / "release" / NAME
    signed = tmp_path / NAME
    signed.mkdir()
    notebook = nbformat.read(source / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    nbformat.write(notebook, signed / f"{NAME}.ipynb")
    (signed / "README.md").write_text("# A lecture\n")
    (path, *_) = write_handouts(signed, tmp_path / "out", variants, None, {})
    for cell in notebook_of(zipfile.ZipFile(path)).cells:
        checksum = cell.metadata.get("nbgrader", {}).get("checksum")
        assert not checksum or checksum == compute_checksum(cell)


@pytest.mark.parametrize("student", STUDENTS)
def test_the_instant_answer_runs_the_tests_that_the_student_was_given(course, handouts, student):
    """`serve` judges by the very tests of one's own handout, and by no hidden one."""
    given = {place_of(cell): cell.source for cell in notebook_of(handouts[student]).cells}
    visible = visible_assignment(course, LECTURE, student)
    tests = [cell for cell in visible.cells if cell.is_test]
    assert {cell.source for cell in tests} - {
        given.get(f"name {c.name}", "") for c in tests
    } == set()
    own = visible_assignment(course, LECTURE, STUDENTS[0]), visible
    assert (own[0].fingerprint == own[1].fingerprint) == (student == STUDENTS[0])


def test_who_has_no_release_gets_no_instant_answer_by_others_numbers(course):
    with pytest.raises(NotReleasedFor):
        visible_assignment(course, LECTURE, "Doe-12")


def test_who_has_no_release_is_an_error_and_never_a_zero(course):
    with pytest.raises(NotReleasedFor, match=r"made for Doe-12: .*course roster --match"):
        assignment_of(course, LECTURE, "Doe-12")


def test_a_lost_secret_or_other_declarations_stop_grading(course, tmp_path):
    secret = course.folder / FOLDER / SECRET
    assert secret.stat().st_mode & 0o077 == 0, "nobody else reads it"
    kept = secret.read_text()
    try:
        secret.write_text("00" * 32)
        with pytest.raises(InvalidInput, match="the secret of lecture 3 is not that"):
            Variants.of(course, LECTURE)
        secret.unlink()
        with pytest.raises(InvalidInput, match="Restore it from a backup"):
            Variants.of(course, LECTURE)
    finally:
        secret.write_text(kept)
    record = json.loads(record_path(course, LECTURE).read_text())
    assert set(record) == {"declarations", "secret", "students"} and kept not in str(record)
    changed = {**record, "declarations": "0"}
    try:
        record_path(course, LECTURE).write_text(json.dumps(changed))
        with pytest.raises(InvalidInput, match="declarations of lecture 3 is not that"):
            Variants.of(course, LECTURE)
    finally:
        record_path(course, LECTURE).write_text(json.dumps(record))


def test_what_cannot_be_released_per_student_is_said(course):
    with pytest.raises(InvalidInput, match="nobody is in the gradebook"):
        Variants.new(course, LECTURE, [])
    with pytest.raises(InvalidInput, match="Ann and ann draw the same"):
        Variants.new(course, LECTURE, ["Ann", "ann"])
    assert Variants.of(course, 4) is None


def test_a_notebook_that_lags_behind_the_questions_is_named(course, variants, tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    text = (course.folder / "release" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8")
    old = text.replace("my_layers = 20", "my_layers = 21")
    (folder / f"{NAME}.ipynb").write_text(old, encoding="utf-8")
    (folder / "README.md").write_text("")
    with pytest.raises(InvalidInput, match="tinybert-l answers"):
        write_handouts(folder, tmp_path / "handouts", variants, None, {})
