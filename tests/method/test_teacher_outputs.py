"""Outputs computed once train as the live teacher does; damaged ones are never used."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from conftest import small_bert
from test_joint import RECIPE

from tinybert_l.cache import cache_root
from tinybert_l.method import teacher_outputs
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.teacher_outputs import TeacherOutputs, keep_outputs

SOFT = replace(RECIPE, hidden_weight=0.0, attention_weight=0.0, embedding_weight=0.0)
INNER = replace(RECIPE, attention_weight=0.0)


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path / "cache"))


def both(supernet, texts, recipe, outputs, folder):
    """Logs and weights of a student of the live teacher, and of one that has its outputs."""
    students = [elastic_copy(supernet) for _ in range(2)]
    live = train_jointly(students[0], elastic_copy(supernet), texts, recipe, folder / "live")
    kept = train_jointly(students[1], outputs, texts, recipe, folder / "kept")
    weights = []
    for student in students:
        # a key's bias changes no softmax: its gradient is rounding, which AdamW makes large
        named = student.named_parameters()
        weights.append({name: value for name, value in named if "key.bias" not in name})
    return live, kept, weights


def test_kept_logits_train_as_a_live_teacher_does(supernet, texts, tmp_path):
    outputs = TeacherOutputs(predict_logits(supernet, texts))
    live, kept, weights = both(supernet, texts, SOFT, outputs, tmp_path)
    for a, b in zip(live, kept, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kept_as", "relative"), [("float32", 1e-5), ("bfloat16", 1e-2)])
def test_kept_hidden_states_give_the_losses_of_a_live_teacher(
    supernet, texts, tmp_path, kept_as, relative
):
    outputs = keep_outputs(supernet, texts, INNER.hidden_layers(6), kept_as)
    live, kept, _ = both(supernet, texts, INNER, outputs, tmp_path)
    for a, b in zip(live, kept, strict=True):
        for name, parts in a["losses"].items():
            for part, value in parts.items():
                expected = pytest.approx(value, rel=relative, abs=1e-4)
                assert b["losses"][name][part] == expected, (name, part)


def test_float32_states_are_exactly_those_of_the_teacher(supernet, texts):
    outputs = keep_outputs(supernet, texts, {0, 3, 6}, "float32")
    rows = [4, 11, 25]
    batch = collate(texts, rows)
    got = outputs.for_batch(rows, batch["attention_mask"])
    wanted = supernet(batch["input_ids"], batch["attention_mask"], output_hidden_states=True)
    present = [layer for layer, states in enumerate(got.hidden_states) if states is not None]
    assert present == [0, 3, 6]
    real = batch["attention_mask"].bool()
    for layer in (0, 3, 6):
        torch.testing.assert_close(
            got.hidden_states[layer][real], wanted.hidden_states[layer][real], rtol=1e-5, atol=1e-5
        )
        assert float(got.hidden_states[layer][~real].abs().sum()) == 0
    torch.testing.assert_close(got.logits, wanted.logits, rtol=1e-5, atol=1e-5)


def test_they_are_computed_once(supernet, texts, monkeypatch):
    keep_outputs(supernet, texts, {6})
    monkeypatch.setattr(teacher_outputs, "_write", lambda *_: pytest.fail("computed again"))
    keep_outputs(supernet, texts, {6})
    with pytest.raises(pytest.fail.Exception):
        keep_outputs(elastic_copy(small_bert(5)), texts, {6})  # another teacher


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_file_is_noticed_and_made_anew(supernet, texts, damage):
    wanted = keep_outputs(supernet, texts, {6}).hidden[6].clone()
    (path,) = cache_root().glob("teacher-outputs-*/layer-6.bin")
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            whole[:100] if damage == "cut" else whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]
        )
    assert torch.equal(keep_outputs(supernet, texts, {6}).hidden[6], wanted)
    assert path.read_bytes() == whole


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import small_bert
import torch
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.teacher_outputs import keep_outputs
import shutil
if sys.argv[2] == "late":  # the disk fills up while the cache is written
    shutil.disk_usage = lambda _: type("Usage", (), {"free": 1 << 40})
rows = [[1 + i % 50] * 30 for i in range(2000)]
keep_outputs(elastic_copy(small_bert()), Encoded(rows, [0] * 2000, 0), {3, 6})
"""


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("unshare") is None, reason="no unshare(1) here: no small disk can be made"
)
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_full_disk_is_said_and_nothing_half_written_stays(tmp_path, checkout, when):
    small = tmp_path / "small"
    small.mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    inside = (
        f"mount -t tmpfs -o size=1500000 tmpfs {small} || exit 99; "
        f"TINYBERT_L_CACHE={small}/cache {sys.executable} {tmp_path / 'script.py'} "
        f"{checkout / 'tests'} {when}; "
        f"code=$?; find {small} -type f -size +0; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inside], capture_output=True, text=True, check=False
    )
    if done.returncode == 99:
        pytest.skip("no small disk can be mounted here")
    assert done.returncode == 1 and "No space left" in done.stderr, done.stderr
    assert "the teacher's outputs take 6 MB" in done.stderr and "TINYBERT_L_CACHE" in done.stderr
    assert not [
        line for line in done.stdout.splitlines() if line.endswith((".bin", ".pt", "entry.json"))
    ], done.stdout


def test_unknown_layers_and_formats_are_refused(supernet):
    text = Encoded([[1]], [0], 0)
    with pytest.raises(ValueError, match=r"layers=\[9\].*allowed: 0 to 6, and bfloat16, float32"):
        keep_outputs(supernet, text, {9})
    with pytest.raises(ValueError, match="kept_as='int8'; allowed"):
        keep_outputs(supernet, text, {6}, "int8")
