"""Every command in the documents is run, taken from their text: in a course's, a student's, or an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from test_docs import documents, spans

from tinybert_l.course.home import hand_in
from tinybert_l.grading.outside.sandbox import problem

pytestmark = pytest.mark.slow
QUICK = ["--quick"]
# command: (folder it is run in, what is added so that it ends within a test), in an order that makes sense
RUN: dict[str, tuple[str, list[str]]] = {
    "tinybert-l doctor": ("empty", []),
    "tinybert-l exercises": ("empty", []),
    "tinybert-l course init demo-course": ("empty", []),
    "tinybert-l release 3": ("course", []),
    "tinybert-l sample-class": ("course", ["--student", "perfect", "--student", "blank"]),
    "tinybert-l home": ("student", []),
    "tinybert-l check layer_map answer.py": ("student", []),
    "tinybert-l submit": ("student", []),
    "tinybert-l submit --student ann": ("student", []),
    "tinybert-l collect 3 submissions.zip": ("course", []),
    "tinybert-l grade 3": ("course", []),
    "tinybert-l grade 3 --exercise layer_map": ("course", []),
    "tinybert-l feedback 3": ("course", []),
    "tinybert-l audit 3": ("course", []),
    "tinybert-l audit 3 --changes": ("course", []),
    "tinybert-l course roster": ("course", []),
    "tinybert-l grades 3 --format moodle": ("course", ["--provisional"]),
    "tinybert-l grades 3 --format moodle --provisional": ("course", []),
    "tinybert-l grades 3 --format canvas --to grades.csv": ("course", ["--provisional"]),
    "tinybert-l grades 3 --format moodle --to grades.csv": ("course", ["--provisional"]),
    "tinybert-l grades 3 --format canvas": ("course", ["--provisional"]),
    "nbgrader autograde 03-architecture": ("course", ["--force"]),
    "tinybert-l teacher": ("empty", QUICK),
    "tinybert-l train": ("empty", QUICK),
    "tinybert-l evaluate": ("empty", QUICK),
    # The last budget counts: five milliseconds are not every machine's.
    "tinybert-l choose --max-latency-ms 5": ("empty", [*QUICK, "--max-latency-ms", "1000"]),
    "tinybert-l export 3x0.5 --vocabulary 12000": ("empty", QUICK),
    "tinybert-l train --data my.csv --text-column text --label-column label": ("empty", QUICK),
    "tinybert-l teacher --from-scratch": ("empty", QUICK),
    "tinybert-l questions squad.json": ("empty", QUICK),
    "tinybert-l prepare": ("empty", []),
    "tinybert-l answers --check": ("checkout", []),
    "python tools/make_reference.py": ("checkout", []),
    "python tools/make_exercises.py": ("checkout", []),
    "python tools/make_results.py": ("checkout", []),
}
ELSEWHERE = {
    r"make [a-z]+( RECORD=--record)?": "see the test of make below",
    r"tinybert-l demo": "test_cli.py, with --quick",
    r"tinybert-l lab": "test_browser_student.py: it serves until it is stopped",
    r"tinybert-l answers": "writes into the checkout; --check is run here, and test_grading.py runs it on a copy",
    r"tinybert-l course init /srv/.*": "the same with a folder of one's own: test_journey.py",
    r"tinybert-l grade 3 --scheduler .*": "test_grading_pipeline.py, with a cluster that is there",
    r"tinybert-l (run-job|grade 3 --only-prepare).*": "test_grading_pipeline.py",
    r"tinybert-l grades --without NAME": "a part of a command, with a stand-in",
    r"pytest tests/.*|pytest": "this",
    r"accelerate launch .*": "test_processes.py, with a script of its own",
    r"python (tools/make_scale|benchmarks/[a-z_]+).py.*": "minutes, or hours",
    r"pip install.*|apt install.*|conda .*|chmod .*|jupyter lab|jupyterhub .*": "machines and servers",
}


def commands(checkout) -> set[str]:
    found = set()
    for path in documents(checkout):
        if path.name != "commands.md":  # made from the program itself
            for span in spans(path.read_text(encoding="utf-8")):
                pattern = r"(?:^|[|;'(] ?|&& )((?:tinybert-l|make|nbgrader|python|pip|pytest|jupyter|conda|apt) [^|;'>&)]*)"
                found |= {one.strip() for one in re.findall(pattern, span)}
    return found


def test_no_command_is_left_out(checkout):
    whole = {" ".join(c.split()) for c in RUN}
    left = []
    for command in commands(checkout):
        named_only = any(
            c.startswith(command) for c in whole
        )  # `tinybert-l grade`: the name of a command
        if not named_only and not any(re.fullmatch(p, command) for p in ELSEWHERE):
            left.append(command)
    assert not left, left


@pytest.fixture(scope="module")
def folders(checkout, tmp_path_factory) -> dict[str, Path]:
    empty = tmp_path_factory.mktemp("documents")
    return {
        "empty": empty,
        "course": empty / "demo-course",
        "student": empty / "03-architecture",
        "checkout": checkout,
    }


@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
@pytest.mark.parametrize("command", RUN)
def test_it_runs(command, folders, checkout):
    """In the order of RUN: later ones stand on earlier ones."""
    folder, added = RUN[command]
    prepare(command, folders, checkout)
    words = [*command.split(), *added]
    programs = {
        "tinybert-l": ["-m", "tinybert_l.cli"],
        "nbgrader": ["-m", "nbgrader"],
        "python": [],
    }
    environment = {
        **os.environ,
        "TINYBERT_L_REDUCED": "1",
        "COLUMNS": "200",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, *programs[words[0]], *words[1:]], cwd=folders[folder], env=environment, capture_output=True,
        text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


def prepare(command: str, folders: dict[str, Path], checkout: Path) -> None:
    """What a person would have at hand by then."""
    if command == "tinybert-l home":
        with zipfile.ZipFile(folders["course"] / "handouts" / "03-architecture.zip") as archive:
            archive.extractall(folders["empty"])
        text = (checkout / "solutions" / "lecture_03.py").read_text(encoding="utf-8")
        (folders["student"] / "answer.py").write_text(text, encoding="utf-8")
    if command.startswith("tinybert-l collect"):
        made = hand_in(folders["student"] / "03-architecture.ipynb", "ann", folders["empty"])
        with zipfile.ZipFile(folders["course"] / "submissions.zip", "w") as archive:
            archive.write(made.path, f"Ann Li_7_assignsubmission_file_/{made.path.name}")
    if "my.csv" in command:
        lines = [
            f"a film of week {n} that is {word},{word}"
            for n in range(40)
            for word in ("good", "bad")
        ]
        (folders["empty"] / "my.csv").write_text(
            "\n".join(["text,label", *lines]), encoding="utf-8"
        )
    if "squad.json" in command:
        answers = [{"text": "teacher", "answer_start": 4}]
        asked = {
            "context": "The teacher teaches.",
            "qas": [{"id": "1", "question": "Who teaches?", "answers": answers}],
        }
        (folders["empty"] / "squad.json").write_text(
            json.dumps({"data": [{"paragraphs": [asked]}]}), encoding="utf-8"
        )
    if command.startswith("nbgrader"):
        shutil.rmtree(folders["course"] / "submitted" / "Ann_Li-7", ignore_errors=True)


def test_make_knows_every_target_of_the_documents(checkout):
    for command in commands(checkout):
        if command.startswith("make "):
            done = subprocess.run(
                ["make", "-n", *command.split()[1:]], cwd=checkout, capture_output=True, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
