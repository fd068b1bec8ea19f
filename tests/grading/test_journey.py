"""Student and instructor from an empty folder to exported grades.

Nothing here needs the checkout's own course.
"""

import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path, PureWindowsPath

import nbformat
import pytest
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.course import home as student
from tinybert_l.course.home import hand_in, home_notebook, notebooks_in, rows_in
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import run as grading
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import read_archive
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import handout, release
from tinybert_l.grading.run import WrongVersion

NAME = NOTEBOOKS[3]
GOOD = """@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    m, n = num_student_layers, num_teacher_layers
    if not 1 <= m <= n or strategy not in ("uniform", "top", "bottom"):
        raise ValueError("no such mapping")
    return {"uniform": [i * n // m for i in range(1, m + 1)], "top": list(range(n - m + 1, n + 1)),
            "bottom": list(range(1, m + 1))}[strategy]
"""


def run(*words: str, ok: bool = True) -> str:
    wide = {"COLUMNS": "200"}  # else a table breaks its texts
    result = CliRunner().invoke(main, list(words), catch_exceptions=False, env=wide)
    assert (result.exit_code == 0) == ok, result.output
    return result.output + (result.stderr if result.stderr not in result.output else "")


def answer(path: Path, exercise: str, source: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    next(c for c in notebook.cells if c.source.startswith(f"@{exercise}.implement")).source = source
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    folder = tmp_path_factory.mktemp("journey")
    (folder / "people.csv").write_text(
        "\ufeffUsername,Last name\nalice,刘\nbob,Wang\n", encoding="utf-8"
    )
    course = setup.init(folder / "demo-course", roster=folder / "people.csv")
    release(course, 3)
    return course


@pytest.fixture
def unpacked(course, tmp_path) -> Path:
    with zipfile.ZipFile(handout(course, 3)) as archive:
        archive.extractall(tmp_path)
    return tmp_path / NAME


@pytest.mark.slow
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_from_an_empty_folder_to_exported_grades_one_command_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(
        "id,first_name,last_name\nann,Ann,Li\nben,Ben,Wunderlich\ncai,Cai,Xuanyuan\n"
    )
    run("course", "init", "demo-course", "--roster", "people.csv")
    monkeypatch.chdir(tmp_path / "demo-course")
    assert "handouts" in run("release", "3")
    for name in ("ann", "ben", "cai"):
        with zipfile.ZipFile(tmp_path / "demo-course" / "handouts" / f"{NAME}.zip") as archive:
            archive.extractall(tmp_path / name)
        monkeypatch.chdir(tmp_path / name / NAME)
        if name != "cai":
            answer(tmp_path / name / NAME / f"{NAME}.ipynb", "layer_map", GOOD)
        output = run("submit", "--student", name, "--to", str(tmp_path / "inbox"))
        assert ("layer_map: passes" in output) == (name != "cai")
    monkeypatch.chdir(tmp_path / "demo-course")
    assert run("collect", "3", "../inbox").count("taken in") == 4  # three, and in the title
    essay = nbformat.read(tmp_path / "ann" / NAME / f"{NAME}.ipynb", as_version=4)
    for cell in essay.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "essay":
            cell.source = "The top map loses a point."
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        folder = "Dora Moodle_11_assignsubmission_file_"
        archive.writestr(f"{folder}/{NAME}.ipynb", nbformat.writes(essay))
        archive.writestr("../escape.ipynb", "{}")
    said = run("collect", "3", "../moodle.zip", ok=False)
    assert "taken in" in said and "REFUSED" in said
    assert "4/24" in run("grade", "3")
    run("feedback", "3")
    assert "Proved: 4" in run("audit", "3")
    assert "graded by hand" in run("grades", "3", "--format", "moodle", ok=False)
    exported = run("grades", "3", "--format", "moodle", "--provisional")
    assert "ann,Ann Li,,4," in exported and "cai,Cai Xuanyuan,,0," in exported
    assert "Participant 11,Dora Moodle,,4," in exported
    assert "4/24" in run("grade", "3")  # nothing has changed: the grades on record are shown again
    page = (tmp_path / "demo-course" / "feedback" / "ann" / NAME / f"{NAME}.html").read_text(
        encoding="utf-8"
    )
    for private in ("Wunderlich", "Xuanyuan", str(tmp_path)):
        assert private not in page
    report = (tmp_path / "demo-course" / f"report-{NAME}.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in report and "Wunderlich" not in report


def test_a_new_course_is_whole_and_an_occupied_folder_is_left_alone(course, tmp_path):
    assert course.sources.is_relative_to(course.folder) and course.solutions.is_relative_to(
        course.folder
    )
    assert len(list(course.sources.glob("*/*.ipynb"))) == 11
    assert Course.around(course.folder / "notebooks").folder == course.folder
    assert "刘" in (course.folder / "roster.csv").read_text(encoding="utf-8")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        setup.init(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"name\nann\n", "needed: id"),
        (b"id\nann\nann\n", "line 3: ann stands there twice"),
        (b"id\n../ann\n", "line 2: id '../ann'"),
        ("id\nJosé\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_roster_that_cannot_be_read_says_where(tmp_path, text, message):
    (tmp_path / "people.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        setup.init(tmp_path / "new", roster=tmp_path / "people.csv")
    assert not (tmp_path / "new").exists()


def test_answers_go_out_only_after_their_late_period(tmp_path):
    course = setup.init(tmp_path / "course")
    due = datetime.now(UTC) - timedelta(days=2)
    earlier = due - timedelta(days=30)
    calendar = f"[due]\n1 = {earlier:%Y-%m-%dT%H:%M:%SZ}\n2 = {due:%Y-%m-%dT%H:%M:%SZ}\n[late]\n"
    (course.folder / "course.toml").write_text(calendar + "answers_after_days = 7\n")
    folder = release(course, 3)
    assert [p.name for p in (folder / "solutions").iterdir()] == ["lecture_01.py"]
    (course.folder / "course.toml").write_text(calendar + "answers_after_days = 1\n")
    folder = release(course, 3)
    assert sorted(p.name for p in (folder / "solutions").iterdir()) == [
        "lecture_01.py",
        "lecture_02.py",
    ]


def test_a_lecture_is_graded_with_the_version_it_was_released_with(course, monkeypatch):
    assert json.loads((course.folder / "releases.json").read_text())[NAME] == grading.__version__
    monkeypatch.setattr(grading, "__version__", "9.9.9")
    with pytest.raises(WrongVersion, match=r"released with tinybert-l .*installed is 9\.9\.9"):
        grading.grade(course, 3, options=grading.Options())


def test_a_handout_unpacks_anywhere_and_holds_what_is_needed(course, unpacked):
    with zipfile.ZipFile(handout(course, 3)) as archive:
        names = archive.namelist()
    forbidden = set('<>:"\\|?*')
    for name in names:
        parts = PureWindowsPath(name).parts
        assert (
            not forbidden & set(name)
            and len(name) < 120
            and all(p == p.rstrip(". ") for p in parts)
        )
    assert {
        f"{NAME}/{n}"
        for n in (f"{NAME}.ipynb", "course-home.ipynb", "README.md", "nbgrader_config.py")
    } <= set(names)
    welcome = (unpacked / "README.md").read_text(encoding="utf-8")
    assert f'pip install "./tinybert_l-{grading.__version__}-py3-none-any.whl"' in welcome
    assert "请先把老师发的这个文件放进本文件夹" in welcome  # the release is without its wheel


@pytest.mark.slow
def test_the_course_home_tells_which_answers_pass(unpacked):
    answer(unpacked / f"{NAME}.ipynb", "layer_map", GOOD)
    answer(
        unpacked / f"{NAME}.ipynb",
        "kept_layers",
        "@kept_layers.implement\ndef kept_layers(num_layers, depth):\n    return [0]\n",
    )
    states = {row.item.name: row for row in rows_in(unpacked)}
    assert states["layer_map"].state == "passes" and states["slice_heads"].state == "open"
    assert states["kept_layers"].state == "fails" and states["kept_layers"].message
    assert "flops" not in states  # its lecture is not handed out
    table = student.table(unpacked)
    assert table.count("not handed out yet") == len(NOTEBOOKS) - 1
    assert (
        f'<a href="{NAME}.ipynb">' in table
        and "1 of 5" in table
        and "&lt;" not in "".join(student.STATES)
    )
    notebook = home_notebook(unpacked)
    nbformat.validate(notebook)
    assert "1 of 5" in notebook.cells[1].outputs[0].data["text/html"]
    answer(unpacked / f"{NAME}.ipynb", "layer_map", GOOD + "# changed")
    assert "not checked yet" in home_notebook(unpacked).cells[1].outputs[0].data["text/html"]
    said = run("home", str(unpacked))
    assert said.count("not begun") == 7 and said.count("still to be written") == 1


def test_unchanged_answers_are_not_judged_again(unpacked, monkeypatch):
    answer(unpacked / f"{NAME}.ipynb", "layer_map", GOOD)
    first = rows_in(unpacked)
    monkeypatch.setattr(
        student.judged_answers, "judge_notebook", lambda *_: pytest.fail("judged again")
    )
    assert rows_in(unpacked) == first


def test_windows_line_ends_and_byte_order_marks_do_no_harm(unpacked, tmp_path):
    path = unpacked / f"{NAME}.ipynb"
    answer(path, "layer_map", GOOD.replace("\n", "\r\n"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    submission = hand_in(path, "ann", tmp_path)
    states = {row.item.name: row.state for row in submission.rows}
    assert states["layer_map"] == "passes"


def test_a_submission_holds_the_notebook_and_nothing_else(unpacked, tmp_path):
    path = unpacked / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if c.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="/home/ann/secret")]
    nbformat.write(notebook, path)
    submission = hand_in(path, "ann", tmp_path)
    with zipfile.ZipFile(submission.path) as archive:
        assert archive.namelist() == [f"{NAME}.ipynb"]
        assert b"/home/ann/secret" not in archive.read(f"{NAME}.ipynb")


def test_what_cannot_be_handed_in_is_said(unpacked, tmp_path):
    path = unpacked / f"{NAME}.ipynb"
    with pytest.raises(ValueError, match="--student"):
        hand_in(path, "../ann", tmp_path)
    (tmp_path / "essay.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="a notebook of the course"):
        hand_in(tmp_path / "essay.ipynb", "ann", tmp_path)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        hand_in(path, "ann", tmp_path)
    notebook = nbformat.reads(whole, as_version=4)
    notebook.cells = [c for c in notebook.cells if "test_layer_map" not in str(c.metadata)]
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the tests of layer_map"):
        hand_in(path, "ann", tmp_path)
    assert not list(tmp_path.glob("*.zip"))
    (tmp_path / "empty").mkdir()
    assert "No notebook of the course" in run("lab", str(tmp_path / "empty"), ok=False)


def test_a_students_zip_is_opened_wherever_it_comes_from(unpacked, tmp_path):
    submission = hand_in(unpacked / f"{NAME}.ipynb", "ann", tmp_path / "inbox")
    arrivals, refusals = read_archive(tmp_path / "inbox", NAME)
    assert [a.student for a in arrivals] == ["ann"] and not refusals
    for inner, owner in (
        (f"Ann Li_77_assignsubmission_file_/{submission.path.name}", "Ann_Li-77"),
        (f"liann_77_123_{submission.path.name}", "liann-77"),
        (f"ann/{submission.path.name}", "ann"),
    ):
        with zipfile.ZipFile(tmp_path / "lms.zip", "w") as archive:
            archive.write(submission.path, inner)
        arrivals, refusals = read_archive(tmp_path / "lms.zip", NAME)
        assert [a.student for a in arrivals] == [owner] and not refusals, (inner, refusals)


def test_a_hostile_zip_inside_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / f"eve-{NAME}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.ipynb", b" " * 80_000_000)
    (tmp_path / f"mal-{NAME}.zip").write_bytes(b"PK\x03\x04 no zip at all")
    with zipfile.ZipFile(tmp_path / f"bob-{NAME}.zip", "w") as archive:
        archive.writestr(f"../../alice/{NAME}.ipynb", "{}")
    arrivals, refusals = read_archive(tmp_path, NAME)
    assert not arrivals and len(refusals) == 3
    assert {r.reason.split()[0] for r in refusals} == {"compressed", "a"}


@pytest.mark.slow
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_nothing_needs_or_uses_a_network(unpacked, tmp_path):
    """The student's commands in a network namespace of their own, without a loopback device."""
    answer(unpacked / f"{NAME}.ipynb", "layer_map", GOOD)
    code = (
        "import socket, sys\n"
        "try: socket.create_connection(('1.1.1.1', 53), 1)\n"
        "except OSError: pass\n"
        "else: sys.exit('there is a network')\n"
        "from tinybert_l.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    for words in (
        ["home"],
        ["submit", "--student", "ann"],
        ["exercises", "--lecture", "3"],
        ["doctor"],
    ):
        command = [
            "bwrap",
            "--dev-bind",
            "/",
            "/",
            "--unshare-net",
            "--chdir",
            str(unpacked),
            sys.executable,
            "-c",
            code,
        ]
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, (words, done.stdout[-500:], done.stderr[-500:])
    assert (unpacked / f"ann-{NAME}.zip").is_file() and list(notebooks_in(unpacked)) == [3]
