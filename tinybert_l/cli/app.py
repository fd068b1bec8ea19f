"""The program `tinybert-l`: the list of its commands, which are imported when they are used."""

import click

from tinybert_l import __version__
from tinybert_l.cli.lazy import CommandModule, LazyGroup

MODULES = (
    CommandModule(
        "students",
        "Student",
        {
            "exercises": "List the exercises: points, effort, and what each builds on.",
            "home": "Show which of your answers in FOLDER pass visible tests.",
            "lab": "Open JupyterLab on the course home of FOLDER.",
            "check": "Judge one ANSWER, a Python file, by the tests of an EXERCISE.",
            "submit": "Make the zip file to hand in from a NOTEBOOK.",
            "doctor": "Examine this machine, and say what to do about each problem.",
        },
    ),
    CommandModule(
        "capstone",
        "Student",
        {"capstone": "Build the best small classifier under a budget; hand it in."},
    ),
    CommandModule(
        "disputes",
        "Student",
        {"dispute": "Ask that an EXERCISE of a LECTURE is judged anew."},
    ),
    CommandModule(
        "demo",
        "Instructor",
        {"demo": "Do everything once: train, measure, release, hand in, grade."},
    ),
    CommandModule(
        "courses",
        "Instructor",
        {"course": "Make a course of your own; enter the people who take part."},
    ),
    CommandModule(
        "instructors",
        "Instructor",
        {
            "release": "Make the student version of a LECTURE; scan it for answers.",
            "sample-class": "Let a sample class of seven hand in lecture 3.",
            "collect": "Take in the submissions of a LECTURE from an ARCHIVE.",
            "answers": "Write the notebooks' answer cells from solutions/.",
        },
    ),
    CommandModule(
        "grades",
        "Instructor",
        {
            "grade": "Autograde all submissions of a LECTURE.",
            "run-job": "Do one JOB of 'grade --only-prepare', on any machine.",
            "feedback": "Write the feedback of a LECTURE anew, after manual grading.",
            "audit": "Prove the gradebook of a LECTURE against the record.",
            "grades": "Export the grades of a LECTURE for an LMS.",
        },
    ),
    CommandModule(
        "marking",
        "Instructor",
        {"mark": "Grade a LECTURE's essays by hand, all answers on one page."},
    ),
    CommandModule(
        "likeness",
        "Instructor",
        {"similar": "Show which answers of a LECTURE are unusually alike."},
    ),
    CommandModule(
        "serving",
        "Instructor",
        {"serve": "Take hand-ins over HTTP; answer each by the visible tests."},
    ),
    CommandModule(
        "league",
        "Instructor",
        {"league": "Judge capstone entries in the sandbox; publish the table."},
    ),
    CommandModule(
        "models",
        "Models",
        {
            "prepare": "Train everything that the notebooks take from the cache.",
            "teacher": "Fine-tune the teacher, on embedded reviews or your own texts.",
            "train": "Train the student's nine sub-models jointly.",
            "evaluate": "Measure accuracy, size and speed of every sub-model.",
            "choose": "Choose the most accurate sub-model that answers in time.",
            "export": "Write one SUB_MODEL, such as 3x0.5, as safetensors and ONNX.",
            "questions": "Learn to answer questions from a FILE; measure sub-models.",
        },
    ),
    CommandModule(
        "distilling",
        "Models",
        {"distil": "Distil your own classifier TEACHER into smaller ones."},
    ),
)


@click.group(
    cls=LazyGroup,
    modules=MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, package_name="tinybert-l")
def main() -> None:
    """TinyBERT-L: one weight-sharing student whose sub-models are trained jointly.

    "demo" does everything once; the other commands are its steps. What is trained is kept in a
    cache (TINYBERT_L_CACHE moves it), so that no step is done twice. TINYBERT_L_DEBUG=1 shows where
    an error arose.
    """
