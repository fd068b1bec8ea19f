"""Natural mistakes give one sentence that says what to do, and leave nothing half-written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.cli.options import ModelOptions
from tinybert_l.grading import setup

# {what was typed: what the sentence says}; the folder holds the files that `folder` makes
MISTAKES = {
    "release 12": "12 is not in the range 1<=x<=11",
    "release 3 --lang fr": "'fr' is not one of 'zh', 'en'",
    "release 3 --answers 3": "allowed: those of earlier lectures",
    "release 3 --answers next": "allowed: all, none, or numbers such as 1,2",
    "release 3 --wheel missing.whl": "'missing.whl' does not exist",
    "grade 3": "No submission of lecture 3",
    "feedback 3": "release it first",
    "feedback 3 --zip blackboard": "'blackboard' is not one of 'moodle', 'canvas'",
    "audit 3": "release it first",
    "grades 3": "release it first",
    "collect 3 missing.zip": "'missing.zip' does not exist",
    "collect 3 notes.txt": "release it first",
    "course init full": "not empty",
    "course init new --roster missing.csv": "'missing.csv' does not exist",
    "course init new --roster notes.txt": "id",
    "course roster missing.csv": "'missing.csv' does not exist",
    "sample-class --student bob": "--student bob; allowed: perfect",
    "check no_such notes.txt": "There is no exercise 'no_such'; there are: parameter_count",
    "check layer_map missing.py": "'missing.py' does not exist",
    "check layer_map": "Missing argument 'ANSWER'",
    "submit": "Which NOTEBOOK?",
    "submit notes.txt": "the name that it was released with, such as 03-architecture.ipynb",
    "home empty": "Unzip a lecture and start here again",
    "home renamed": "but '03-architecture (1).ipynb': give it back the name",
    "lab renamed": "but '03-architecture (1).ipynb': give it back the name",
    "course init new": "that one can be used as it is ('tinybert-l release 1')",
    "course init empty": "that one can be used as it is ('tinybert-l release 1')",
    "lab empty": "Unzip a lecture and start here again",
    "lab nowhere": "'nowhere' does not exist",
    "export 5x0.5": "allowed: 2x0.25, 3x0.25",
    "choose": "Missing option '--max-latency-ms'",
    "choose --max-latency-ms 0": "0.0 is not in the range x>0",
    "train --data missing.csv": "'missing.csv' does not exist",
    "questions missing.json": "'missing.json' does not exist",
    "trian": "train",
    "relase 3": "'release'",
    "Grade 3": "'grade'",
    "release 3 --langs zh": "'--lang'",
    "grade 3 4": "unexpected extra argument (4)",
    "course initt new": "'init'",
    "course init .": "allowed: a new or an empty folder",
    "submit missing.ipynb": "'missing.ipynb' does not exist",
    "submit empty": "'empty' is a directory",
    "submit notes.txt --student a/b": "released with",
    "dispute 3 kept_layers": "Missing option '--because'",
    "serve --port 99999": "is not in the range",
    "mark": "Missing argument 'LECTURE'",
    "release 3 --wheel notes.txt": "allowed: the students' wheel, such as tinybert_l-",
    "release 3 --wheel tinybert_l_instructor-1-py3-none-any.whl": "allowed: the students' wheel",
    "course init new --roster nobody.csv": "nobody.csv: nobody stands in it",
    "course roster nobody.csv": "nobody.csv: nobody stands in it",
    "course init notes.txt/new": "notes.txt/new: a part of this path is a file",
    "export 3x0.5 --to notes.txt/new": "notes.txt/new: a part of this path is a file",
    "evaluate --output notes.txt/new": "notes.txt/new: a part of this path is a file",
    "distil empty notes.txt --folder notes.txt/new": "notes.txt/new: a part of this path is a file",
    "distil empty nobody.csv": "teacher='empty' cannot be read",
    "distil notes.txt nobody.csv": "teacher='notes.txt' cannot be read",
    "run-job empty": "allowed: a folder that 'grade --only-prepare' has printed",
    "submit notes.txt --to ftp://host/in": "'ftp://host/in'; allowed: https://",
    "submit notes.txt --to http://host.edu/in": "your token would be sent unencrypted",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A new course, with a text file, an empty folder and one that is not empty."""
    made = setup.init(tmp_path_factory.mktemp("mistakes") / "course").folder
    (made / "notes.txt").write_text("name\nann\n")
    (made / "nobody.csv").write_text("id,email\n")
    (made / "tinybert_l_instructor-1-py3-none-any.whl").write_bytes(b"PK")
    (made / "empty").mkdir()
    (made / "renamed").mkdir()
    (made / "renamed" / "03-architecture (1).ipynb").write_text("{}")
    (made / "full").mkdir()
    (made / "full" / "thesis.txt").write_text("mine")
    return made


def files(folder: Path) -> set[str]:
    """All files but the lock that every run of grading takes."""
    return {str(path) for path in folder.rglob("*") if path.suffix != ".lock"}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_by_what_to_do(folder, monkeypatch, typed):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "300")
    before = files(folder)
    result = CliRunner().invoke(main, typed.split())
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("Error: ") and MISTAKES[typed] in error, error
    assert "Errno" not in result.stderr and "Traceback" not in result.stderr
    assert files(folder) == before


OUTSIDE = (
    "release 3",
    "grade 3",
    "grades 3",
    "course roster",
    "serve",
    "league holdout",
    "similar 3",
)


@pytest.mark.parametrize("typed", OUTSIDE)
def test_outside_a_course_none_is_made_by_mistake(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, typed.split())
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.exception
    assert "No course here: cd into its folder" in result.stderr
    assert not list(tmp_path.iterdir())


NEED_ONNX = (
    "export 3x0.5",
    "choose --max-latency-ms 5 --runtime onnx-int8",
    "distil empty nobody.csv --max-latency-ms 5",
)


@pytest.mark.parametrize("typed", NEED_ONNX)
def test_missing_packages_are_named_before_anything_is_trained(folder, monkeypatch, typed):
    from tinybert_l.method import onnx_files

    def missing(name: str) -> None:
        raise onnx_files.MissingPackage(f"{name} is missing")

    monkeypatch.chdir(folder)
    monkeypatch.setattr(onnx_files, "import_optional", missing)
    monkeypatch.setattr(ModelOptions, "load_supernet", lambda _: pytest.fail("it was trained"))
    result = CliRunner().invoke(main, typed.split())
    assert result.exit_code == 1 and "onnx is missing" in result.stderr, result.output
    assert not (folder / "outputs").exists()


def test_a_missing_roster_and_a_damaged_calendar_are_named(folder, monkeypatch):
    monkeypatch.chdir(folder)
    roster = folder / "roster.csv"
    kept = roster.read_bytes()
    roster.unlink()
    result = CliRunner().invoke(main, ["course", "roster"])
    roster.write_bytes(kept)
    assert result.exit_code == 1 and "roster.csv" in result.stderr
    assert "Errno" not in result.stderr
    calendar = folder / "course.toml"
    kept = calendar.read_bytes()
    calendar.write_text("[due]\n3 = tomorrow\n")
    result = CliRunner().invoke(main, ["release", "3"])
    calendar.write_bytes(kept)
    assert result.exit_code == 1 and "course.toml" in result.stderr
