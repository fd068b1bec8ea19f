"""Every command in the documents is run: in a course's, a student's, or an empty folder."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import warm
from test_docs import commands_in, documents
from tests_support import texts_of_topics

from tinybert_l.course.home import hand_in
from tinybert_l.grading.outside.sandbox import problem

pytestmark = pytest.mark.slow
QUICK = ["--quick"]
# {command: (folder it runs in, arguments added so that it ends soon)}; later ones need earlier ones
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
    "tinybert-l feedback 3 --zip moodle": ("course", []),
    "tinybert-l audit 3": ("course", []),
    "tinybert-l audit 3 --changes": ("course", []),
    "tinybert-l course roster": ("course", []),
    "tinybert-l serve --tokens": ("course", []),
    "tinybert-l grades 3 --format moodle": ("course", ["--provisional"]),
    "tinybert-l grades 3 --format moodle --provisional": ("course", []),
    "tinybert-l grades 3 --format canvas --to canvas.csv": ("course", ["--provisional"]),
    "tinybert-l grades 3 --format moodle --to moodle.csv": ("course", ["--provisional"]),
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
    "python tools/make_architecture.py": ("checkout", []),
    "python tools/make_exercises.py": ("checkout", []),
    "python tools/make_results.py": ("checkout", []),
}
ELSEWHERE = {
    r"make [a-z]+( RECORD=--record)?": "test_docs.py: make knows every target",
    r"tinybert-l demo": "test_cli.py, with --quick",
    r"tinybert-l lab( my-capstone)?": "test_browser_student.py: it serves until it is stopped",
    r"tinybert-l distil( .*)?": "test_own_bert.py, with a BERT made there",
    r"tinybert-l dispute 3 .*": "test_disputes.py",
    r"tinybert-l grade 3 --disputes .*": "test_disputes.py",
    r"tinybert-l similar 3.*": "test_likeness.py",
    r"tinybert-l (capstone|league)( .*)?": "test_league_commands.py, with tiny entries",
    r"tinybert-l mark 3.*": "test_browser_marking.py: it serves until it is stopped",
    r"tinybert-l serve( --token ann| --check-receipt .*)?": "test_serving.py",
    r"tinybert-l submit --to http://.*": "test_serving.py, with a server that is there",
    r"tinybert-l answers": "writes into the checkout; here with --check",
    r"tinybert-l (course init nlp|feedback 3 --zip canvas)": "test_terms.py, with the two sections",
    r"tinybert-l release 3 --wheel PATH": "a stand-in for a path; test_mistakes.py",
    r"tinybert-l release 3 --lang zh": "test_one_language.py",
    r"tinybert-l (release 3 --per-student|course roster people.csv)": "test_variants.py",
    r"tinybert-l course init /srv/.*": "the same with a folder of one's own: test_journey.py",
    r"tinybert-l grade 3 --scheduler .*": "test_grading_pipeline.py, with a cluster that is there",
    r"tinybert-l (run-job|grade 3 --only-prepare).*": "test_grading_pipeline.py",
    r"python tools/(judge_(zoo|held_out)|make_test_quality).py.*": "test_test_quality.py, nightly",
    r"tinybert-l grades --without NAME": "a part of a command, with a stand-in",
    r"tinybert-l (collect 3 .* --handed-in|course roster .*--match).*": "test_intake_odd.py",
    r"tinybert-l grades 3 --worksheet .*": "test_platform_tables.py, test_terms.py",
    r"pytest( tests/.*| -k .*| -m .*)?|make LOCKED=1 test": "this",
    r"tinybert-l --help": "test_help.py",
    r"(torchrun|accelerate launch) .*": "test_processes.py, with a script of its own",
    r"python (tools/make_scale|benchmarks/[a-z_]+).py.*": "minutes, or hours",
    r"(pip|apt) install.*|conda .*|chmod .*|jupyter lab|jupyterhub .*": "machines and servers",
}


def commands(checkout: Path) -> set[str]:
    """All command lines of the documents, but for the page that is made from the program itself."""
    lines = set()
    for path in documents(checkout):
        if path.name != "commands.md":
            lines.update(commands_in(path))
    return lines


def test_no_command_is_left_out(checkout):
    run = {" ".join(command.split()) for command in RUN}
    left_out = []
    for command in commands(checkout):
        # `tinybert-l grade` alone is the name of a command
        is_run = any(line.startswith(command) for line in run)
        if not is_run and not any(re.fullmatch(pattern, command) for pattern in ELSEWHERE):
            left_out.append(command)
    assert not left_out, left_out


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
    scripts = str(Path(sys.executable).parent)  # nbgrader starts alembic by name
    environment = {
        **os.environ,
        "TINYBERT_L_REDUCED": "1",
        "COLUMNS": "200",
        "PATH": os.pathsep.join((scripts, os.environ["PATH"])),
    }
    done = warm.run_tool([*command.split(), *added], folders[folder], environment, timeout=400)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_the_program_of_the_environment_runs_as_the_documents_say(folders):
    """The commands above run in forks; this one is a new process, started by its name."""
    program = Path(sys.executable).with_name("tinybert-l")
    done = subprocess.run(
        [program, "exercises"], cwd=folders["empty"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "layer_map" in done.stdout, done.stderr


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
        with (folders["empty"] / "my.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *texts_of_topics()])
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
