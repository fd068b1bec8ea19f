"""Intake, audit, late policy, export and report: all that surrounds the execution."""

import io
import json
import os
import shutil
import zipfile
from datetime import UTC, datetime, timedelta

import nbformat
import pytest

from tinybert_l.exercises.notebook_files import UnreadableNotebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course, CourseBusy
from tinybert_l.grading.intake import read_archive, submitted_at, take_in
from tinybert_l.grading.job import run_job
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.policy import LatePolicy, read_calendar
from tinybert_l.grading.release import release
from tinybert_l.grading.results import lms, report
from tinybert_l.grading.results.audit import Audit, changes
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.run import (
    CellGrade,
    NotProved,
    Options,
    export,
    feedback,
    grade,
    prepare_jobs,
    prove,
)
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.grading.submission import read_submission, sanitise

NAME = NOTEBOOKS[LECTURE]
UNSAFE = problem() is not None


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Make a released course, which is copied for each test that changes it."""
    course = Course(tmp_path_factory.mktemp("template"), unsafe=UNSAFE)
    release(course, LECTURE)
    hand_in(course, course.folder / "release" / NAME, ["perfect", "wrong_idea", "blank"])
    return course.folder


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template, tmp_path / "course")
    return Course(tmp_path / "course", unsafe=UNSAFE)


@pytest.fixture(scope="module")
def notebook(template) -> bytes:
    return (template / "submitted" / "perfect" / NAME / f"{NAME}.ipynb").read_bytes()


def events(course, kind):
    return [e for e in Audit(course.folder).entries() if e["event"] == kind]


# Intake


def zipped(path, members, **modes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 11, 20, 10, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = modes.get(name, 0o100644) << 16
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("member", "student", "lms_id"),
    [
        ("Jane Doe_123_assignsubmission_file_/03-architecture.ipynb", "Jane_Doe-123", "123"),
        ("王小明_77_assignsubmission_file_/我的作业.ipynb", "王小明-77", "77"),
        ("Jane Doe_123_assignsubmission_file_03-architecture.ipynb", "Jane_Doe-123", "123"),
        ("Jane_1_assignsubmission_file_Bob_2_assignsubmission_file_x.ipynb", "Jane-1", "1"),
        ("doejane_12_345_03-architecture.ipynb", "doejane-12", "12"),
        ("doejane_LATE_12_345_03-architecture-1.ipynb", "doejane-12", "12"),
        ("doejane_12_345_smithbob_99_111_03-architecture.ipynb", "doejane-12", "12"),
        ("jane/03-architecture.ipynb", "jane", None),
        ("jane.ipynb", "jane", None),
        ("jane/03-architecture/03-architecture.ipynb", "jane", None),
        ("jane+03-architecture+2026-11-20 10:00:00 UTC+abc/03-architecture.ipynb", "jane", None),
    ],
)
def test_whose_a_file_is_comes_from_the_lms_not_from_the_student(tmp_path, member, student, lms_id):
    arrivals, refusals = read_archive(zipped(tmp_path / "a.zip", {member: b"{}"}), NAME)
    assert [a.student for a in arrivals] == [student] and not refusals
    assert arrivals[0].known.get("lms_user_id") == lms_id


@pytest.mark.parametrize(
    ("members", "modes", "reason"),
    [
        ({"../jane/x.ipynb": b"{}"}, {}, "path"),
        ({"/jane/x.ipynb": b"{}"}, {}, "path"),
        ({"jane\\..\\bob.ipynb": b"{}"}, {}, "path"),
        ({"jane/x.ipynb": b"target"}, {"jane/x.ipynb": 0o120777}, "symbolic link"),
        ({"jane/x.ipynb": b"\0" * 19_000_000}, {}, "bomb"),
        ({"jane/x.ipynb": os.urandom(21_000_000)}, {}, "MB"),
        ({"jane/x.ipynb": b"{}", "jane/y.ipynb": b"{}"}, {}, "2 notebooks"),
        ({"jane/x.txt": b"{}"}, {}, "no notebook"),
        ({"jane/x.ipynb": b"{}", "JANE/x.ipynb": b"{}"}, {}, "claims to be"),
        ({"jane/x.ipynb": b"{}", "ｊane/x.ipynb": b"{ }"}, {}, "notebooks"),
        ({".hidden/x.ipynb": b"{}"}, {}, "whose"),
    ],
)  # fmt: skip
def test_what_is_dangerous_or_unclear_is_refused_with_a_reason(tmp_path, members, modes, reason):
    _, refusals = read_archive(zipped(tmp_path / "a.zip", members, **modes), NAME)
    assert len(refusals) == 1 and reason in refusals[0].reason


def test_links_and_pipes_in_a_folder_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("{}")
    for kind in ("soft", "hard", "pipe", "folder"):
        (tmp_path / "in" / kind).mkdir(parents=True)
    (tmp_path / "in" / "soft" / "x.ipynb").symlink_to(secret)
    os.link(secret, tmp_path / "in" / "hard" / "x.ipynb")
    os.mkfifo(tmp_path / "in" / "pipe" / "x.ipynb")
    (tmp_path / "in" / "folder" / "deep").symlink_to(tmp_path)
    arrivals, refusals = read_archive(tmp_path / "in", NAME)
    assert not arrivals and len(refusals) == 4


def test_extra_files_are_not_taken_in_and_the_original_is_kept(course, tmp_path, notebook):
    members = {
        "jane/03-architecture.ipynb": notebook,
        "jane/torch.py": b"1/0",
        "jane/sitecustomize.py": b"1/0",
    }
    done = take_in(course, NAME, *read_archive(zipped(tmp_path / "a.zip", members), NAME))
    assert "torch.py" in done["jane"] and "sitecustomize.py" in done["jane"]
    folder = course.folder / "submitted" / "jane" / NAME
    assert sorted(p.name for p in folder.iterdir()) == [f"{NAME}.ipynb", "timestamp.txt"]
    kept = events(course, "received")[-1]
    assert (
        (course.folder / kept["kept"]).read_bytes()
        == notebook
        == (folder / f"{NAME}.ipynb").read_bytes()
    )
    assert kept["handed_in"].startswith("2026-11-20T")


def test_a_resubmission_never_deletes_an_older_one_and_the_latest_counts(
    course, tmp_path, notebook
):
    later = zipped(tmp_path / "later.zip", {"jane.ipynb": notebook})
    take_in(course, NAME, *read_archive(later, NAME))
    folder = tmp_path / "early"
    (folder / "jane").mkdir(parents=True)
    (folder / "jane" / "x.ipynb").write_bytes(b"{}")
    os.utime(folder / "jane" / "x.ipynb", (0, 1_700_000_000))
    done = take_in(course, NAME, *read_archive(folder, NAME))
    assert "a later one counts" in done["jane"]
    assert course.submission("jane", LECTURE).read_bytes() == notebook
    assert len(list((course.folder / "received" / NAME / "jane").glob("*.ipynb"))) == 2
    assert "known already" in take_in(course, NAME, *read_archive(later, NAME))["jane"]


def test_a_name_that_differs_from_a_student_s_in_case_alone_is_refused(course, tmp_path, notebook):
    arrivals, refusals = read_archive(zipped(tmp_path / "a.zip", {"PERFECT.ipynb": notebook}), NAME)
    assert (
        take_in(course, NAME, arrivals, refusals) == {}
        and "claims to be perfect" in refusals[0].reason
    )
    assert events(course, "refused")


@pytest.mark.parametrize(
    ("change", "repair"),
    [
        (lambda raw: b"\xef\xbb\xbf" + raw, "^$"),
        (lambda raw: raw.decode().encode("utf-16"), "utf-16"),
        (lambda raw: raw.decode().replace("\n", "\r\n").encode(), "^$"),
        (lambda raw: json.dumps(json.loads(raw), ensure_ascii=False).encode("gb18030"), "gb18030"),
    ],
)
def test_what_can_be_repaired_is_and_it_is_said(notebook, change, repair):
    import re

    nb, repairs = read_submission(change(notebook), "x")
    assert len(nb.cells) > 20 and re.search(repair, "; ".join(repairs))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "no JSON"),
        (b"[]", "no notebook"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"nbformat": 5, "cells": []}', "format 5"),
        (b'{"nbformat": 4}', "no notebook"),
        (
            b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, '
            b'"cells": [{"cell_type": 3}]}',  # an unknown name of a kind is kept as raw text
            "no notebook",
        ),
        (
            b'{"nbformat": 4, "metadata": {}, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "no ",
        ),
        (b" " * 20_000_001, "20 MB"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_reason(raw, reason):
    with pytest.raises(UnreadableNotebook, match=reason):
        read_submission(raw, "x")


def test_cells_are_put_right_and_it_is_said(course, notebook):
    assignment = course.assignment(LECTURE)
    nb, _ = read_submission(notebook, "x")
    assert sanitise(nb, assignment) == []
    whole = [c.source for c in nb.cells]
    ids = {c.metadata.get("nbgrader", {}).get("grade_id"): c for c in nb.cells}
    ids["test_layer_map"].source = "assert True"
    ids["setup"].cell_type = "markdown"
    nb.cells.append(nbformat.from_dict({**ids["test_kept_layers"], "id": "copy", "source": "1/0"}))
    nb.cells.remove(ids["test_hidden_loss"])
    repairs = sanitise(nb, assignment)
    for part in (
        "test_layer_map: its locked text",
        "setup: was markdown",
        "a copy counts",
        "test_hidden_loss: was missing",
    ):
        assert any(part in r for r in repairs), (part, repairs)
    assert [c.source for c in nb.cells if c.source != "1/0"] == whole


@pytest.mark.parametrize(
    "text",
    [
        "<script>parent.fetch('/formgrader/api/grade')</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<details open ontoggle=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](java&#115;cript:alert(1))",
        "~~~~~\n~~~~~~~\n<script>alert(1)</script>",
        "<a href='javascript:alert(1)'>marks</a>",
        "`<` <style>@import 'http://evil'</style> "
        "<meta http-equiv=refresh content='0;url=http://evil'>",
    ],
)
def test_what_a_student_writes_as_html_does_nothing_in_the_grader_s_browser(course, notebook, text):
    from bs4 import BeautifulSoup

    from tinybert_l.grading.results.feedback import render
    from tinybert_l.grading.showing import defuse

    assignment = course.assignment(LECTURE)
    plain, _ = read_submission(notebook, "x")
    sanitise(plain, assignment)
    defuse(plain, assignment)
    nb, _ = read_submission(notebook, "x")
    nb.cells.append(nbformat.v4.new_markdown_cell(f"before\n\n{text}", id="evil"))
    nb.cells.append(nbformat.v4.new_raw_cell(text, id="raw"))
    sanitise(nb, assignment)
    defuse(nb, assignment)
    assert [c.source for c in nb.cells[:-2]] == [c.source for c in plain.cells], (
        "the course's own text was touched"
    )
    pages = [BeautifulSoup(render(x, NAME, {}), "html.parser") for x in (plain, nb)]
    for tag in ("script", "iframe", "svg", "img", "style", "meta", "object"):
        assert len(pages[0].find_all(tag)) == len(pages[1].find_all(tag)), tag
    for element in pages[1].find_all(True):
        assert not [a for a in element.attrs if a.startswith("on")] and "javascript:" not in str(
            element.get("href", "")
        )


# Audit


def test_a_line_of_the_audit_that_is_changed_or_taken_out_shows(tmp_path):
    audit = Audit(tmp_path)
    for student in "abc":
        audit.append("error", student=student, assignment=NAME, reason="none")
    assert audit.broken() == []
    lines = audit.path.read_bytes().splitlines(keepends=True)
    audit.path.write_bytes(lines[0] + lines[1].replace(b'"b"', b'"x"') + lines[2])
    assert len(audit.broken()) == 1
    audit.path.write_bytes(lines[0] + lines[2])
    assert audit.broken()
    audit.path.write_bytes(b"".join(lines) + b'{"torn')
    assert audit.broken() == [] and len(list(audit.entries())) == 3
    Audit(tmp_path).append("error", student="d", assignment=NAME, reason="none")
    assert audit.broken() == [] and [e["n"] for e in audit.entries()] == [1, 2, 3, 4]


@pytest.mark.slow
def test_graded_once_proved_changed_by_hand_not_proved_regraded_explained(course):
    first = grade(course, LECTURE)
    assert len(events(course, "graded")) == 3 and prove(course, LECTURE) == []
    entry = events(course, "graded")[0]
    assert {
        "submission",
        "source",
        "program",
        "limits",
        "seed",
        "timing",
        "verdicts",
        "repairs",
    } <= entry.keys()
    assert grade(course, LECTURE) == first and len(events(course, "graded")) == 3, (
        "what is graded is graded again"
    )

    with Book(course.database, NAME) as book, book.engine.begin() as db:
        db.exec_driver_sql(
            "UPDATE grade SET auto_score = 4 WHERE rowid = "
            "(SELECT MIN(rowid) FROM grade WHERE auto_score = 0)"
        )
    assert any("in the gradebook" in p for p in prove(course, LECTURE))
    with pytest.raises(NotProved, match="on record"):
        export(course, LECTURE, "csv", provisional=True)
    grade(course, LECTURE, options=Options(again=True))
    assert prove(course, LECTURE) == [] and len(events(course, "graded")) == 6

    # the author of the wrong idea hands in the right answer
    hand_in(course, course.folder / "release" / NAME, ["perfect"])
    shutil.copy(course.submission("perfect", LECTURE), course.submission("wrong_idea", LECTURE))
    assert any("handed in again" in p for p in prove(course, LECTURE))
    grade(course, LECTURE)
    moved = {}
    for change in changes(Audit(course.folder), NAME):
        assert change.student == "wrong_idea" and "submission" in change.why
        moved[change.cell] = (change.before, change.after)
    assert moved == {"test_kept_layers_hidden": (0.0, 2.0), "test_quiz_3_1": (0.0, 1.0)}
    assert prove(course, LECTURE) == []


@pytest.mark.slow
def test_one_exercise_is_regraded_for_the_whole_class_and_nothing_else_moves(course, monkeypatch):
    before = {(g.student, g.cell): g.points for g in grade(course, LECTURE).grades}
    assignment = course.assignment(LECTURE)
    strict = [
        c
        if c.name != "test_layer_map"
        else type(c)(**{**vars(c), "source": "assert False, 'now stricter'"})
        for c in assignment.cells
    ]
    changed = type(assignment)(**{**vars(assignment), "cells": tuple(strict)})
    monkeypatch.setattr(Course, "assignment", lambda self, lecture: changed)
    after = grade(course, LECTURE, options=Options(exercise="layer_map"))
    moved = {key for g in after.grades if before[key := (g.student, g.cell)] != g.points}
    assert moved == {("perfect", "test_layer_map"), ("wrong_idea", "test_layer_map")}
    page = (course.folder / "feedback" / "perfect" / NAME / f"{NAME}.html").read_text(
        encoding="utf-8"
    )
    assert "now stricter" in page and prove(course, LECTURE) == []
    with pytest.raises(ValueError, match="allowed: kept_layers"):
        grade(course, LECTURE, options=Options(exercise="nothing"))


@pytest.mark.slow
def test_manual_points_stay_late_penalties_apply_and_exports_wait_for_both(course):
    (course.folder / "course.toml").write_text(
        "[due]\n3 = 2026-11-20T00:00:00Z\n[late]\npercent_per_day = 10\ngrace_minutes = 60\n",
        encoding="utf-8",
    )
    for student, late in (
        ("perfect", timedelta(hours=30)),
        ("blank", timedelta(minutes=59)),
        ("wrong_idea", -timedelta(1)),
    ):
        when = datetime(2026, 11, 20, tzinfo=UTC) + late
        path = course.submission(student, LECTURE).parent / "timestamp.txt"
        path.write_text(when.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
        assert submitted_at(path.parent) == when
    grade(course, LECTURE)
    with pytest.raises(NotProved, match="by hand"):
        export(course, LECTURE, "csv")
    with Book(course.database, NAME) as book:
        rows = {r.student: r for r in book.totals()}
        assert (rows["perfect"].raw_score, rows["perfect"].late_penalty) == (24, 4.8)
        assert rows["wrong_idea"].late_penalty == rows["blank"].late_penalty == 0
        with book.engine.begin() as db:
            db.exec_driver_sql(
                "UPDATE grade SET manual_score = 3, needs_manual_grade = 0 WHERE auto_score IS NULL"
            )
            db.exec_driver_sql("UPDATE comment SET manual_comment = 'well argued'")
    assert feedback(course, LECTURE) == 3
    page = (course.folder / "feedback" / "perfect" / NAME / f"{NAME}.html").read_text(
        encoding="utf-8"
    )
    assert "well argued" in page and "迟交扣分" in page
    grade(course, LECTURE, options=Options(again=True))
    text = export(course, LECTURE, "csv")
    lines = {line.split(",")[1]: line.split(",") for line in text.splitlines()}
    assert float(lines["perfect"][-1]) == pytest.approx(27 * 0.8)
    assert events(course, "exported")[-1]["students"] == 3


@pytest.mark.slow
def test_a_failure_of_the_grader_blocks_the_export_and_is_mended_by_the_next_run(
    course, monkeypatch
):
    import tinybert_l.grading.run as module

    def fail(tasks, *rest):
        yield from ((i, "the grader failed: no space") for i in range(len(tasks)))

    with monkeypatch.context() as patched:
        patched.setattr(module, "run_here", fail)
        result = grade(course, LECTURE)
    assert set(result.errors) == {"perfect", "wrong_idea", "blank"} and result.grades == []
    with pytest.raises(NotProved, match="no space"):
        export(course, LECTURE, "canvas", provisional=True)
    assert grade(course, LECTURE).errors == {} and prove(course, LECTURE) == []


@pytest.mark.slow
def test_job_directories_can_be_done_elsewhere_with_the_same_result(course, template, tmp_path):
    here = Course(shutil.copytree(template, tmp_path / "here"), unsafe=UNSAFE)
    grade(here, LECTURE)
    for folder in prepare_jobs(course, LECTURE):
        assert sorted(p.name for p in folder.iterdir()) == [
            "assignment.json",
            "job.json",
            "submission.ipynb",
        ]
        assert run_job(str(folder), str(folder.parents[1] / "results" / folder.name)) == ""
    grade(course, LECTURE)
    assert verdicts(course) == verdicts(here)
    for student in ("perfect", "blank", "wrong_idea"):
        assert (
            course.graded(student, LECTURE).read_bytes()
            == here.graded(student, LECTURE).read_bytes()
        )


def verdicts(course):
    return {
        e["student"]: (e["verdicts"], e["files"], e["repairs"]) for e in events(course, "graded")
    }


def test_two_runs_at_a_time_are_refused(course):
    with course.alone(), pytest.raises(CourseBusy, match="Another run"):
        grade(course, LECTURE)


# Policy, exports, report


def test_the_late_policy():
    policy = LatePolicy(percent_per_day=10, grace_minutes=30, maximum_percent=25)
    hour = 3600
    assert [policy.penalty(20, s) for s in (0, 1800, 1801, 24 * hour, 25 * hour, 900 * hour)] == [
        0,
        0,
        2,
        2,
        4,
        5,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[due]\n3 = 2026-11-20T00:00:00", "with its zone"),
        ("[due]\n12 = 2026-11-20T00:00:00Z", "from 1 to 11"),
        ("[late]\npercent_per_day = 101", "percent_per_day"),
        ("[late]\npercent = 1", "unknown entry percent"),
        ("[late", "course.toml"),
    ],
)
def test_a_calendar_that_cannot_be_read_says_where(tmp_path, text, message):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_calendar(tmp_path)


def total(student, score, lms_id="", name=""):
    return lms.StudentTotal(
        student, name, lms_user_id=lms_id, raw_score=score, max_score=24.0, score=score
    )


def test_exports_have_the_columns_that_the_lms_reads():
    import csv

    rows = [total("doe-7", 12.5, "7", "Doe"), total("=cmd|' /C calc'!A0", 3.0)]
    canvas = list(csv.DictReader(io.StringIO(lms.table(rows, "Lecture 3 (991)", "canvas"))))
    assert (
        canvas[0]["Student"].strip() == "Points Possible" and canvas[0]["Lecture 3 (991)"] == "24"
    )
    assert (canvas[1]["ID"], canvas[1]["Lecture 3 (991)"]) == ("7", "12.5")
    moodle = list(csv.DictReader(io.StringIO(lms.table(rows, "x", "moodle"))))
    assert (moodle[0]["Identifier"], moodle[0]["Grade"]) == ("Participant 7", "12.5")
    assert not any(cell.startswith("=") for row in [*canvas, *moodle] for cell in row.values())
    with pytest.raises(ValueError, match="allowed: csv, canvas, moodle"):
        lms.table(rows, "x", "xml")


def class_of(count, passes):
    grades = []
    for i in range(count):
        for exercise in "abcd":
            points, reason = (2.0, "") if passes(exercise, i) else (0.0, "Error: <b>no</b>")
            grades.append(CellGrade(f"s{i:02d}", exercise, f"test_{exercise}", points, 2.0, reason))
    return grades


def test_the_report_points_at_a_test_that_good_students_fail():
    grades = class_of(30, lambda e, i: (i < 5) if e == "d" else (i >= 8))
    doubts = {item.exercise: item.doubt for item in report.items(grades)}
    assert "good students fail it" in doubts["d"] and not any(doubts[e] for e in "abc")
    few = report.items(class_of(5, lambda e, i: e != "d"))
    assert not any(item.doubt for item in few), "five students say nothing of a test"


def test_the_report_escapes_what_students_wrote():
    page = report.page(
        NAME, class_of(12, lambda e, i: i > 3), {"<script>alert(1)</script>": "no & JSON"}
    )
    assert "<script>" not in page and "<b>no</b>" not in page and "&lt;b&gt;no" in page
    assert report.page(NAME, [], {"a": "no"})
