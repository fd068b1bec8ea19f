"""A trained model is made once, read back whole, and loaded without noise that hides errors."""

import ast
import sys
import warnings

import pytest
import torch
from transformers.utils import logging as transformers_logging

from tinybert_l.cache import read_entry, recipe_hash
from tinybert_l.errors import InvalidInput
from tinybert_l.method.cached_model import cached_model, quiet_loading, save_quietly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.seeding import step_generator, step_seed


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path / "cache"))


def load(train, recipe=None):
    recipe = recipe or {"seed": 0}
    return cached_model("small", recipe, ElasticBertForSequenceClassification, train)


def test_a_model_is_trained_once_and_read_back_with_its_log(supernet):
    log = [{"step": 0, "loss": 2.0}, {"step": 1, "loss": 0.5}]

    def train(folder):
        (folder / "checkpoint-000001").mkdir()
        return supernet.train(), log

    trained = load(train)
    again = load(lambda folder: pytest.fail("trained again"))
    for result in (trained, again):
        assert result.log == log and result.metrics == {"last_loss": 0.5}
        assert not result.model.training
        for name, value in supernet.state_dict().items():
            assert torch.equal(result.model.state_dict()[name], value), name
    assert again.folder.name == f"small-{recipe_hash({'seed': 0})}"
    assert read_entry(again.folder)["recipe"] == {"seed": 0}
    assert not list(again.folder.glob("checkpoint*")), "only an unfinished run needs them"


def test_an_interrupted_training_leaves_no_entry_and_keeps_its_folder(supernet):
    folders = []

    def interrupted(folder):
        folders.append(folder)
        raise KeyboardInterrupt

    def whole(folder):
        folders.append(folder)
        return supernet, [{"loss": 1.0}]

    with pytest.raises(KeyboardInterrupt):
        load(interrupted)
    assert load(whole).metrics == {"last_loss": 1.0}
    assert folders[0] == folders[1], "a resumed run finds its checkpoints"


def test_another_recipe_is_another_entry(supernet):
    def train(folder):
        return supernet, [{"loss": 1.0}]

    assert load(train, {"seed": 0}).folder != load(train, {"seed": 1}).folder


def test_quiet_loading_lets_everything_but_reports_through(capsys):
    verbosity = transformers_logging.get_verbosity()
    logger = transformers_logging.get_logger("transformers.modeling_utils")
    with quiet_loading(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        print("a driver's error", file=sys.stderr)
        warnings.warn("look at this", UserWarning, stacklevel=1)
        assert not logger.isEnabledFor(transformers_logging.WARNING)
        assert logger.isEnabledFor(transformers_logging.ERROR)
        assert not transformers_logging.is_progress_bar_enabled()
    assert capsys.readouterr().err == "a driver's error\n"
    assert [str(warning.message) for warning in seen] == ["look at this"]
    assert transformers_logging.get_verbosity() == verbosity
    assert transformers_logging.is_progress_bar_enabled()


def test_quiet_loading_leaves_hidden_progress_bars_hidden():
    transformers_logging.disable_progress_bar()
    try:
        with quiet_loading():
            pass
        assert not transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.enable_progress_bar()


def test_a_steps_random_numbers_follow_from_seed_and_step_alone():
    assert step_seed(3, 7) == 3_000_016
    drawn = torch.rand(4, generator=step_generator(3, 7))
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(3_000_016)))
    assert not torch.equal(drawn, torch.rand(4, generator=step_generator(3, 8)))


def test_every_model_is_saved_without_a_progress_bar(checkout):
    """transformers draws "Writing model shards" over the bars of a training that is going on."""
    loud = []
    for path in sorted((checkout / "tinybert_l").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.name == "save_quietly":
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    saved = ast.unparse(call.func.value)
                    if call.func.attr == "save_pretrained" and "tokenizer" not in saved:
                        loud.append(f"{path.name}: {saved}.save_pretrained")
    assert loud == ["model.py: super().save_pretrained"]


def test_a_model_that_cannot_be_written_is_named(supernet, tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(InvalidInput, match=r"small: cannot be written .* MB are free"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
            save_quietly(supernet, tmp_path / "small")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
