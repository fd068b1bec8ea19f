"""The command line, from end to end on a small slice."""

import json
import os
import re
import subprocess
import sys

import pytest


def run(*arguments, **environment):
    command = [sys.executable, "-m", "tinybert_l.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "teacher",
        "train",
        "evaluate",
        "release",
        "sample-class",
        "grade",
        "check",
        "answers",
        "prepare",
        "exercises",
        "doctor",
        "collect",
        "run-job",
        "audit",
        "grades",
        "feedback",
        "export",
        "choose",
        "questions",
    ],
)
def test_every_command_explains_itself(command):
    done = run(*filter(None, [command]), "--help")
    assert done.returncode == 0 and len(done.stdout) > 150


@pytest.mark.slow
def test_the_quick_demo_goes_from_reviews_to_grades(tmp_path):
    done = run(
        "demo",
        "--quick",
        "--output",
        str(tmp_path),
        TINYBERT_L_CACHE=str(tmp_path / "cache"),
        COLUMNS="200",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "quick" / "results.json").read_text(encoding="utf-8"))
    assert [r["name"] for r in record["results"]] == [
"teacher", "6x1", "6x0.5", "3x1", "2x1", "6x0.25", "3x0.5", "2x0.5", "3x0.25", "2x0.25",
    ]  # fmt: skip
    assert (tmp_path / "quick" / "pareto.png").stat().st_size > 10_000
    assert (tmp_path / "quick" / "course" / "gradebook.csv").is_file()
    assert (
        "20/20" in done.stdout
        and "0/20" in done.stdout
        and "Where everything was written" in done.stdout
    )


@pytest.mark.slow
def test_a_sub_model_is_chosen_and_exported_and_works_in_a_pipeline(tmp_path):
    cache = {"TINYBERT_L_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    chosen = run("choose", "--quick", "--max-latency-ms", "1000", **cache)
    assert chosen.returncode == 0 and "chosen: " in chosen.stdout, chosen.stderr
    too_fast = run(
        "choose", "--quick", "--max-latency-ms", "0.0001", "--runtime", "onnx-int8", **cache
    )
    assert too_fast.returncode == 1 and "onnx-int8" in too_fast.stdout
    done = run("export", "3x0.5", "--quick", "--to", str(tmp_path / "out"), **cache)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "out" / "numbers.json").read_text(encoding="utf-8"))
    rows = {r["model"]: r for r in numbers["rows"]}
    assert rows["3×½, ONNX float32"]["largest difference from torch"] < 1e-3
    assert (
        rows["3×½, ONNX int8"]["bytes"]
        < rows["3×½, ONNX float32"]["bytes"]
        < 2 * rows["3×½, torch"]["bytes"]
    )
    code = re.search(
        r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(encoding="utf-8"), re.S
    ).group(1)
    used = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LABEL_" in used.stdout, used.stderr
    teacher = rows["teacher, torch"]["bytes"]
    assert teacher > rows["3×½, torch"]["bytes"]
    smaller = run(
        "export",
        "3x0.5",
        "--quick",
        "--vocabulary",
        "6000",
        "--to",
        str(tmp_path / "small"),
        **cache,
    )
    assert smaller.returncode == 0, smaller.stderr
    pruned = json.loads((tmp_path / "small" / "numbers.json").read_text(encoding="utf-8"))
    assert pruned["vocabulary"] == 6000 and teacher > 10 * pruned["rows"][-1]["bytes"]
    wrong = run("export", "5x0.5", "--quick", **cache)
    assert wrong.returncode == 1 and "allowed: 2x0.25, 3x0.25" in wrong.stderr


@pytest.mark.slow
def test_an_instructor_s_way_from_a_zip_to_the_lms(tmp_path):
    """Release, take in what Moodle gives, grade, prove, export: each one command."""
    import zipfile

    from tinybert_l.grading.course import Course
    from tinybert_l.grading.outside.sandbox import problem
    from tinybert_l.grading.sample_class import LECTURE, hand_in

    output, name = ["--output", str(tmp_path)], "03-architecture"
    assert run("release", "3", *output).returncode == 0
    made = Course(tmp_path / "made")
    hand_in(made, tmp_path / "course" / "release" / name, ["perfect", "wrong_idea"])
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        for number, student in enumerate(("perfect", "wrong_idea"), 11):
            folder = f"{student.title()} Student_{number}_assignsubmission_file_"
            archive.write(made.submission(student, LECTURE), f"{folder}/{name}.ipynb")
        archive.writestr("../escape.ipynb", "{}")
    taken = run("collect", "3", str(tmp_path / "moodle.zip"), *output, COLUMNS="200")
    assert taken.returncode == 1 and "taken in" in taken.stdout and "REFUSED" in taken.stdout
    unsafe = ["--unsafe"] if problem() else []
    graded = run("grade", "3", *output, *unsafe, COLUMNS="200")
    assert graded.returncode == 0 and "20/20" in graded.stdout and "18/20" in graded.stdout, (
        graded.stderr
    )
    proved = run("audit", "3", *output)
    assert proved.returncode == 0 and "Proved: 2" in proved.stdout
    early = run("grades", "3", "--format", "moodle", *output)
    assert early.returncode == 1 and "graded by hand" in early.stderr
    exported = run("grades", "3", "--format", "moodle", "--provisional", *output)
    assert "Participant 11,Perfect Student,,20,25" in exported.stdout, exported.stdout
    assert (tmp_path / "course" / f"report-{name}.html").stat().st_size > 5_000
    again = run("grade", "3", *output, *unsafe, COLUMNS="200")
    assert again.returncode == 0 and "20/20" in again.stdout


def test_grading_nothing_and_a_lecture_that_is_not_there_are_said_plainly(tmp_path):
    nothing = run("grade", "3", "--output", str(tmp_path))
    assert (
        nothing.returncode == 1
        and "No submission" in nothing.stderr
        and "Traceback" not in nothing.stderr
    )
    missing = run("release", "12", "--output", str(tmp_path))
    assert missing.returncode == 2 and "12 is not in the range 1<=x<=11" in missing.stderr


def test_the_exercises_are_listed_without_torch():
    done = run("exercises", COLUMNS="200")
    assert done.returncode == 0 and "attention_loss" in done.stdout and "注意力损失" in done.stdout
    only = run("exercises", "--lecture", "11", COLUMNS="200")
    assert "flops" in only.stdout and "joint_loss" not in only.stdout
