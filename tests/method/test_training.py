"""The loop resumes exactly, also after other runs in the same process; shares correct means."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from conftest import small_bert
from test_joint import RECIPE

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method import processes
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.processes import is_main_process, split_batch
from tinybert_l.method.training import TrainingDiverged


class Stop(Exception):
    """Interrupts a run."""


def stop_at_seven(step):
    if step == 7:
        raise Stop


def test_a_run_resumes_exactly_although_others_ran_in_between(supernet, texts, tmp_path):
    whole = elastic_copy(small_bert(1))
    log = train_jointly(whole, supernet, texts, RECIPE, tmp_path / "whole")
    with pytest.raises(Stop):
        train_jointly(
            elastic_copy(small_bert(1)),
            supernet,
            texts,
            RECIPE,
            tmp_path / "parts",
            None,
            stop_at_seven,
        )
    train_jointly(elastic_copy(small_bert(2)), supernet, texts, RECIPE, tmp_path / "other")
    shutil.copytree(tmp_path / "parts", tmp_path / "damaged")
    for path in (tmp_path / "damaged").glob("checkpoint-*/*"):
        path.write_bytes(path.read_bytes()[:50])
    begun = elastic_copy(small_bert(1))
    with pytest.raises(InvalidInput, match=r"checkpoint-.* cannot be read .* delete it"):
        train_jointly(begun, supernet, texts, RECIPE, tmp_path / "damaged")
    resumed = elastic_copy(small_bert(1))
    assert train_jointly(resumed, supernet, texts, RECIPE, tmp_path / "parts") == log
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_disk_that_fills_leaves_the_checkpoint_before_and_is_named(supernet, texts, tmp_path):
    """A limit on the size of files stands for a full disk: writing fails in the same places."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_at_seven(step):
        if step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    with pytest.raises(InvalidInput, match=r"checkpoint-000008: cannot be written .* MB are free"):
        try:
            train_jointly(
                elastic_copy(small_bert(1)), supernet, texts, RECIPE, tmp_path, None, fill_at_seven
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.glob("checkpoint*")] == ["checkpoint-000004"]
    log = train_jointly(elastic_copy(small_bert(1)), supernet, texts, RECIPE, tmp_path)
    assert len(log) == RECIPE.num_steps


def test_the_main_process_is_known_without_another_accelerator(monkeypatch):
    monkeypatch.setattr(processes, "Accelerator", lambda **_: pytest.fail("opened an accelerator"))
    assert is_main_process()


@pytest.mark.parametrize("power", [0, 1, 2])
def test_the_mean_over_processes_is_the_mean_over_the_batch(texts, power):
    kinds = ("texts", "tokens", "pairs")
    indices = list(range(9))
    counts = [length**power for length in texts.lengths()]
    values = [float(index) for index in range(len(texts))]

    def mean(rows):
        return sum(counts[row] * values[row] for row in rows) / sum(counts[row] for row in rows)

    local_means = []
    seen = []
    for process in range(2):
        accelerator = SimpleNamespace(num_processes=2, process_index=process)
        rows, shares = split_batch(texts, indices, accelerator)
        seen += rows
        local_means.append(getattr(shares, kinds[power]) * mean(rows))
    assert sorted(seen) == indices
    assert sum(local_means) / 2 == pytest.approx(mean(indices))


def test_a_batch_with_fewer_texts_than_processes_is_refused(texts):
    accelerator = SimpleNamespace(num_processes=3, process_index=0)
    with pytest.raises(ValueError, match="a batch of 2 for 3 processes"):
        split_batch(texts, [0, 1], accelerator)


def test_divergence_is_shown_to_the_user():
    assert issubclass(TrainingDiverged, CourseError)
    assert issubclass(TrainingDiverged, ArithmeticError)
