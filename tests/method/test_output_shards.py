"""Outputs in shards on disk train as those in memory do, and are never taken for another's."""

from dataclasses import replace

import pytest
import torch
from conftest import small_bert
from test_joint import RECIPE

from tinybert_l.errors import InvalidInput
from tinybert_l.method import output_shards
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.output_shards import TokenFile, keep_in_shards, open_shards
from tinybert_l.method.run_identity import text_hash
from tinybert_l.method.teacher_outputs import token_hash

SMALL = {"num_hidden_layers": 2, "hidden_size": 16}
INNER = replace(RECIPE, attention_weight=0.0, num_steps=2)


@pytest.fixture
def teacher():
    return elastic_copy(small_bert(**SMALL))


def parts_of(texts, size=16):
    for start in range(0, len(texts), size):
        stop = start + size
        yield Encoded(texts.token_ids[start:stop], texts.labels[start:stop], texts.pad_token_id)


def test_a_batch_reads_from_its_shards_what_the_teacher_answers(teacher, texts, tmp_path):
    shards = keep_in_shards(teacher, parts_of(texts), {0, 2}, tmp_path, "float32")
    assert shards.shape == (40, 2) and len(shards.folders) == 3
    assert shards.hidden_size == 16 and shards.layers == {0, 2} and shards.num_layers == 2
    rows = [39, 4, 17, 15, 16]
    batch = collate(texts, rows)
    mask = batch["attention_mask"]
    got = shards.for_batch(rows, mask)
    expected = teacher(batch["input_ids"], mask, output_hidden_states=True)
    torch.testing.assert_close(got.logits, expected.logits, rtol=1e-5, atol=1e-5)
    assert got.hidden_states[1] is None
    for layer in (0, 2):
        states = got.hidden_states[layer]
        wanted = expected.hidden_states[layer][mask.bool()]
        torch.testing.assert_close(states[mask.bool()], wanted, rtol=1e-5, atol=1e-5)
        assert float(states[~mask.bool()].abs().sum()) == 0


def test_they_train_from_texts_on_disk_as_a_live_teacher_does(teacher, texts, tmp_path):
    on_disk = TokenFile.write(tmp_path / "tokens.bin", (part.token_ids for part in parts_of(texts)))
    assert list(on_disk) == texts.token_ids
    data = Encoded(on_disk, texts.labels, texts.pad_token_id)
    assert data.lengths() == texts.lengths()
    shards = keep_in_shards(teacher, parts_of(data), {0, 1, 2}, tmp_path / "shards", "float32")
    logs = []
    for source, name in ((teacher, "live"), (shards, "kept")):
        log = train_jointly(elastic_copy(teacher), source, data, INNER, tmp_path / name)
        logs.append([row["loss"] for row in log])
    assert logs[0] == pytest.approx(logs[1], rel=1e-4, abs=1e-5)


def test_a_run_that_was_stopped_computes_what_is_missing_alone(
    teacher, texts, tmp_path, monkeypatch
):
    keep_in_shards(teacher, list(parts_of(texts))[:2], {}, tmp_path)
    (tmp_path / "shard-00002.partial").mkdir()
    computed = []
    run = output_shards.run_teacher

    def counted(*args):
        computed.append(len(args[1]))
        return run(*args)

    monkeypatch.setattr(output_shards, "run_teacher", counted)
    shards = keep_in_shards(teacher, parts_of(texts), {}, tmp_path)
    assert computed == [8] and shards.shape == (40, 2) and shards.hidden_size is None
    assert shards.for_batch([3], torch.ones(1, 2)).hidden_states is None


def test_shards_of_other_texts_or_another_teacher_are_refused(teacher, texts, tmp_path):
    shards = keep_in_shards(teacher, parts_of(texts), {0, 1, 2}, tmp_path)
    turned = replace(texts, token_ids=texts.token_ids[::-1])
    with pytest.raises(InvalidInput, match="kept for other texts"):
        train_jointly(teacher, shards, turned, INNER, tmp_path / "run")
    with pytest.raises(InvalidInput, match="made with other tokens"):
        keep_in_shards(teacher, parts_of(turned), {0, 1, 2}, tmp_path)
    with pytest.raises(InvalidInput, match="made with other teacher"):
        keep_in_shards(elastic_copy(small_bert(5, **SMALL)), parts_of(texts), {0, 1, 2}, tmp_path)
    (tmp_path / "shard-00000").rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="shard 0 is missing"):
        open_shards(tmp_path)
    with pytest.raises(InvalidInput, match="holds no shards"):
        open_shards(tmp_path / "nothing")


def test_a_file_that_was_cut_is_an_error(teacher, texts, tmp_path):
    shards = keep_in_shards(teacher, parts_of(texts), {2}, tmp_path)
    path = tmp_path / "shard-00001" / "layer-2.bin"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidInput, match=r"layer-2\.bin: ends before row"):
        for row in range(16, 32):
            shards.for_batch([row], collate(texts, [row])["attention_mask"])


def test_the_digits_of_texts_are_those_of_before(texts):
    """Entries of the cache are found by them."""
    assert token_hash(texts) == text_hash(repr(texts.token_ids))
    pairs = replace(texts, token_type_ids=[[0] * len(row) for row in texts.token_ids])
    expected = text_hash(repr(pairs.token_ids) + repr(pairs.token_type_ids))
    assert token_hash(pairs) == expected
