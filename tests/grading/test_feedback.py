"""What a student gets back: the list of exercises, and one archive for the learning platform."""

import io
import re
import zipfile

import nbformat
import pytest
from bs4 import BeautifulSoup

from tinybert_l.course.home import LANGUAGE_METADATA
from tinybert_l.course.markers import SOLUTION, hidden_tests
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL
from tinybert_l.grading.leaks import LeakError, read_secrets, scan_text
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.feedback import accessible, render
from tinybert_l.grading.results.packing import pack

NAME = NOTEBOOKS[3]
SOURCE = MATERIAL / "notebooks" / NAME / f"{NAME}.ipynb"


def graded() -> nbformat.NotebookNode:
    """The instructor's notebook without answers, with a failed hidden test of layer_map."""
    notebook = nbformat.read(SOURCE, as_version=4)
    for cell in notebook.cells:
        cell.source = SOLUTION.sub("pass", cell.source)
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "test_layer_map_hidden":
            error = {"ename": "AssertionError", "evalue": "rounds up", "traceback": ["rounds up"]}
            cell.outputs = [nbformat.v4.new_output("error", **error)]
    return notebook


def points(**changed: float | None) -> dict[str, float | None]:
    scores = {}
    for cell in graded().cells:
        settings = cell.metadata.get("nbgrader", {})
        if settings.get("grade"):
            scores[settings["grade_id"]] = float(settings["points"])
    return {**scores, **changed}


def rows(page: str) -> dict[str, list[str]]:
    table = BeautifulSoup(page, "html.parser").find("table", class_="items")
    found = {}
    for row in table.find_all("tr"):
        title, *others = (part.get_text(" ", strip=True) for part in row.find_all(["td", "th"]))
        found[title.split(" ")[0]] = others
    return found


def test_a_page_begins_with_the_list_that_the_student_knows(checkout):
    page = render(graded(), NAME, points(test_layer_map_hidden=0.0, essay=None), {"essay": "Good."})
    listed = rows(page)
    assert listed["层映射"] == ["2 / 4", "−2 rounds up"]
    assert listed["保留的层"] == ["4 / 4", ""]
    assert listed["论述题"] == ["not graded yet 尚未评分 / 5", "comment 评语 : Good."]
    assert listed["so"][0] == "22 / 29" and "5 points are still to be graded" in listed["so"][1]
    assert "0.0 / 5.0" not in page and "987654" not in page and "Test cell" not in page
    secrets = read_secrets(checkout / "notebooks", checkout / "solutions", set(NOTEBOOKS))
    assert scan_text("page", page, secrets) == []


@pytest.mark.parametrize("language", ["zh", "en", None])
def test_a_quiz_answer_is_explained_in_the_language_of_the_release(language):
    halves = {"en": "You exchanged the two.", "zh": "把两者弄反了。"}
    notebook = graded()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "test_quiz_3_1":
            said = " ".join(halves.values())
            error = {"ename": "AssertionError", "evalue": said, "traceback": [said]}
            cell.outputs = [nbformat.v4.new_output("error", **error)]
    if language:
        notebook.metadata[LANGUAGE_METADATA] = language
    page = render(notebook, NAME, points(test_quiz_3_1=0.0))
    table = BeautifulSoup(page, "html.parser").find("table", class_="items")
    (row,) = [row for row in table.find_all("tr") if row.find("code", string="quiz_3_1")]
    _, earned, reason = (part.get_text(" ", strip=True) for part in row.find_all("td"))
    assert earned == "0 / 1" and reason.startswith("−1")
    for each, half in halves.items():
        wanted = language in (each, None)
        assert (half in reason) == (half in page) == wanted
    assert "HIDDEN" not in page and "remarks(" not in page


def test_points_that_a_person_gave_are_shown_even_if_they_are_none():
    listed = rows(render(graded(), NAME, points(essay=0.0), late_penalty=2.5))
    assert listed["论述题"][0] == "0 / 5" and listed["together"][0] == "21.5 / 29"
    assert listed["late"][0] == "-2.5"


def test_a_page_of_another_course_is_listed_too():
    page = render(graded(), "own-lecture", points())
    assert len(rows(page)) > 5


ORIGINS = {
    "Ann_Li-7": "Ann Li_7_assignsubmission_file_/03-architecture.ipynb",
    "Bo-8": "submissions/Bo_8_assignsubmission_file_bo-03-architecture.zip",
    "liann-77": "liann_LATE_77_123_03-architecture-1.ipynb",
    "bo-78": "bo_78_9_03-architecture.ipynb",
    "de_la_cruz-79": "sub/de_la_cruz_79_10_03-architecture.ipynb",
    "plain": "plain.ipynb",
}


@pytest.fixture
def folder(tmp_path):
    """A course with a page of feedback for each student, who came in under names of all kinds."""
    audit = Audit(tmp_path)
    for student, origin in ORIGINS.items():
        audit.append("received", student=student, assignment=NAME, origin="first_1_2_x.ipynb")
        audit.append("received", student=student, assignment=NAME, origin=origin)
        audit.append("received", student=student, assignment="other", origin="x_9_9_x.ipynb")
        page = tmp_path / "feedback" / student / NAME / f"{NAME}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<p>of {student}</p>")
    return tmp_path


def moodle_user(name: str) -> tuple[str, str, str]:
    """What Moodle reads from a file's name (mod/assign/feedback/file/importziplib.php)."""
    parts = name.split("_", 4)
    assert parts[1].isdigit() and parts[2:4] == ["assignfeedback", "file"]
    return parts[0], parts[1], parts[4]


def canvas_ids(name: str) -> list[str]:
    """What Canvas reads from a file's name: the first two parts that are numbers."""
    return [part for part in name.split("_") if re.fullmatch(r"\d+", part)][:2]


def test_code_and_tables_that_scroll_are_reached_by_keyboard():
    page = '<head></head><pre class="x">1</pre><table border="1"></table><table></table>'
    assert accessible(page).count(' tabindex="0"') == 3
    folded = '<head></head><table class="items"></table>'
    assert ' tabindex="0"' not in accessible(folded)


def test_moodle_takes_the_archive(folder):
    packed = pack(folder, NAME, ORIGINS, "moodle", {})
    assert {s: moodle_user(n) for s, n in packed.names.items()} == {
        "Ann_Li-7": ("Ann Li", "7", f"{NAME}.html"),
        "Bo-8": ("Bo", "8", f"{NAME}.html"),
    }
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.read(packed.names["Bo-8"]) == b"<p>of Bo-8</p>"
    assert packed.left_out.keys() == {"liann-77", "bo-78", "de_la_cruz-79", "plain"}
    assert "did not come in moodle's own zip file" in packed.left_out["plain"]


def test_canvas_takes_the_archive(folder):
    packed = pack(folder, NAME, ["liann-77", "bo-78", "de_la_cruz-79"], "canvas", {})
    ids = {student: canvas_ids(name) for student, name in packed.names.items()}
    assert ids == {
        "liann-77": ["77", "123"],
        "bo-78": ["78", "9"],
        "de_la_cruz-79": ["79", "10"],
    }
    for name in packed.names.values():
        assert name.endswith("-feedback.html") and "/" not in name
    assert not packed.left_out


def test_what_cannot_be_packed_is_said(folder):
    with pytest.raises(InvalidInput, match="allowed: moodle, canvas"):
        pack(folder, NAME, ORIGINS, "blackboard", {})
    with pytest.raises(InvalidInput, match="no page for moodle: nobody has handed in"):
        pack(folder, NAME, [], "moodle", {})
    (folder / "feedback" / "Bo-8" / NAME / f"{NAME}.html").unlink()
    with pytest.raises(InvalidInput, match="there is no feedback yet"):
        pack(folder, NAME, ["Bo-8"], "moodle", {})


def test_a_page_with_a_hidden_test_is_not_packed_unless_the_student_wrote_it(folder, checkout):
    secrets = read_secrets(checkout / "notebooks", checkout / "solutions", set(NOTEBOOKS))
    test = next(
        text
        for cell in graded().cells
        for text in hidden_tests(cell.source)
        if "layer_map" in cell.source
    )
    page = folder / "feedback" / "Bo-8" / NAME / f"{NAME}.html"
    page.write_text(f"<pre>{test}</pre>")
    with pytest.raises(LeakError, match="the feedback of Bo-8"):
        pack(folder, NAME, ["Bo-8"], "moodle", secrets)
    submission = folder / "submitted" / "Bo-8" / NAME / f"{NAME}.ipynb"
    submission.parent.mkdir(parents=True)
    marker = "### BEGIN SOLUTION\nreturn 1\n### END SOLUTION"  # blocks nobody's feedback
    page.write_text(f"<pre>{test}</pre><pre>{marker}</pre>")
    cell = nbformat.v4.new_code_cell(f"{test}\n{marker}")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), submission)
    assert pack(folder, NAME, ["Bo-8"], "moodle", secrets).names
