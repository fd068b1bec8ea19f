"""Hostile entries of the capstone are refused with the right reason, or gain nothing."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from attacks import entries as attacks
from attacks import entry_files, entry_models

from tinybert_l.course.capstone.asking import answers_of, ask
from tinybert_l.course.capstone.folder import read_entry
from tinybert_l.course.capstone.program import Job
from tinybert_l.course.capstone.rules import EntryRefused
from tinybert_l.grading.league.judge import ENTRIES, container
from tinybert_l.grading.outside.sandbox import problem

needs_sandbox = pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
SENTENCES = ["a good film", "a bad film", "good good bad", "bad"]
RIGHT = [1, 0, 1, 0]
SECONDS = 20.0  # that no entry needs
FEW_SECONDS = 2.0
MEMORY_MB = 256  # filling 2 GB takes a second


@pytest.mark.parametrize("name", attacks.REFUSED_UNOPENED)
def test_an_entry_is_refused_before_it_is_opened(name, tmp_path, monkeypatch):
    attack, reason = attacks.REFUSED_UNOPENED[name]
    path = attacks.make(attack, tmp_path / "entry")
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EntryRefused) as refused:
        read_entry(path)
    assert reason in str(refused.value), str(refused.value)
    assert len(str(refused.value)) < 500 and str(refused.value).isprintable()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def replies(folder: Path, chosen: dict, seconds: float) -> dict[str, dict]:
    """Write the entries of these attacks, and let one container judge them all."""
    read = []
    for name, attack in chosen.items():
        read.append(read_entry(attacks.make(attack, folder / name)))
    with container(read, None) as program:
        places = [f"{ENTRIES}/{number}" for number in range(len(read))]
        answers = ask(Job(places, SENTENCES, seconds, memory_mb=MEMORY_MB), program)
    return dict(zip(chosen, answers, strict=True))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The replies to all attacks, with an honest entry before, between and after them."""
    chosen = {"honest": lambda folder: None}
    for number, (name, (attack, _)) in enumerate(attacks.REFUSED_INSIDE.items()):
        chosen[name] = attack
        if number == len(attacks.REFUSED_INSIDE) // 2:
            chosen["honest_between"] = lambda folder: None
    chosen |= attacks.JUDGED
    chosen["honest_after"] = lambda folder: None
    return replies(tmp_path_factory.mktemp("attacks"), chosen, SECONDS)


@needs_sandbox
@pytest.mark.parametrize("name", attacks.REFUSED_INSIDE)
def test_an_entry_is_refused_in_the_sandbox(judged, name):
    reply = judged[name]
    with pytest.raises(EntryRefused) as refused:
        answers_of(reply, Job([""], SENTENCES, SECONDS))
    assert attacks.REFUSED_INSIDE[name][1] in str(refused.value), str(refused.value)


@needs_sandbox
@pytest.mark.parametrize("name", ["honest", "honest_between", "honest_after", *attacks.JUDGED])
def test_an_honest_answer_is_counted_beside_all_that(judged, name):
    outputs = answers_of(judged[name], Job([""], SENTENCES, SECONDS)).outputs
    expected = [1 - label for label in RIGHT] if "other_order" in name else RIGHT
    assert outputs == expected


@needs_sandbox
@pytest.mark.nightly
@pytest.mark.parametrize("name", attacks.SLOW)
def test_an_entry_that_never_ends_is_stopped(name, tmp_path):
    attack, reason = attacks.SLOW[name]
    (reply,) = replies(tmp_path, {name: attack}, FEW_SECONDS).values()
    assert reason in reply["refused"]


def test_the_suite_holds_the_attacks_that_were_asked_for():
    assert entry_files and entry_models  # they enter theirs when they are imported
    total = len(attacks.REFUSED_UNOPENED) + len(attacks.REFUSED_INSIDE) + len(attacks.SLOW)
    assert total >= 60 and len(attacks.JUDGED) >= 4


def test_a_device_in_a_folder_is_refused(tmp_path):
    folder = attacks.honest(tmp_path / "entry")
    (folder / "vocab.txt").unlink()
    try:
        os.mknod(folder / "vocab.txt", 0o020600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    with pytest.raises(EntryRefused, match="a device"):
        read_entry(folder)


def test_an_entry_that_changes_is_judged_as_it_was(tmp_path):
    folder = attacks.honest(tmp_path / "entry")
    entry = read_entry(folder)
    before = entry.sha256
    entry_models.random_answers(folder)
    attacks.describe(folder, name="other")
    entry.write(tmp_path / "copy")
    again = read_entry(tmp_path / "copy")
    assert again.sha256 == before == entry.sha256
    assert again.description.name == "honest"


FORGED = [
    None,
    [],
    {"outputs": [1, 0, 1, 0]},
    {"outputs": [1, 0, 1], "entry_ms": [], "teacher_ms": []},
    {"outputs": [1, 0, 1, True], "entry_ms": [], "teacher_ms": []},
    {"outputs": [1, 0, 1, 2], "entry_ms": [], "teacher_ms": []},
    {"outputs": [1, 0, 1, 0], "entry_ms": [1.0], "teacher_ms": []},
    {"outputs": [1, 0, 1, 0], "entry_ms": [], "teacher_ms": [], "accuracy": 1.0},
]


@pytest.mark.parametrize("reply", FORGED)
def test_a_reply_that_is_not_in_the_format_is_no_answer(reply):
    with pytest.raises(EntryRefused, match="format"):
        answers_of(reply, Job([""], SENTENCES, SECONDS))


@pytest.mark.parametrize("times", [[0.0], [-1.0], [float("nan")], [float("inf")], ["1"], [1]])
def test_times_that_are_none_are_no_answer(times):
    job = Job([""], SENTENCES, SECONDS, "/reference", [0], 1)
    reply = json.loads(json.dumps({"outputs": RIGHT, "entry_ms": times, "teacher_ms": [1.0]}))
    with pytest.raises(EntryRefused, match="format"):
        answers_of(reply, job)


def test_a_reason_from_the_sandbox_is_made_harmless():
    reply = {"refused": "\x1b[2J\u202e" + "x" * 10_000}
    with pytest.raises(EntryRefused) as refused:
        answers_of(reply, Job([""], SENTENCES, SECONDS))
    assert str(refused.value).isprintable() and len(str(refused.value)) <= 400


LOOK = """
import os, socket
seen = [path for path in ("/home", "/root", "/etc/passwd", "/work") if os.path.exists(path)]
try:
    socket.create_connection(("1.1.1.1", 53), 1)
    seen.append("network")
except OSError:
    pass
try:
    import tinybert_l.grading.league.judge
    seen.append("grading")
except ImportError:
    pass
try:
    open("/entries/0/vocab.txt", "a")
    seen.append("writable")
except OSError:
    pass
print(sorted(os.listdir("/entries/0")), seen)
"""


@needs_sandbox
def test_the_container_shows_the_entry_and_nothing_of_the_grading(tmp_path):
    entry = read_entry(attacks.honest(tmp_path / "entry"))
    with container([entry], None) as program:
        command = [*program.command, "-c", LOOK]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown, _, seen = done.stdout.partition("] ")
    assert shown == "['entry.json', 'model.onnx', 'vocab.txt'"
    assert not {"network", "grading", "writable", "/etc/passwd"} & set(seen.split("'"))
