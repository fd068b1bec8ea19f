"""Save a sub-model so that transformers alone loads it."""

import json
from pathlib import Path

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.method.cached_model import save_quietly
from tinybert_l.method.extraction import is_plain, require_classifier, to_bert
from tinybert_l.method.model import ElasticBertForSequenceClassification

# The copy of `narrow_bert` in an exported folder; transformers finds its classes by `auto_map`.
NARROW = "modeling_narrow_bert"
AUTO_MAP = {
    "AutoConfig": f"{NARROW}.NarrowBertConfig",
    "AutoModelForSequenceClassification": f"{NARROW}.NarrowBertForSequenceClassification",
}


def save_alone(model: ElasticBertForSequenceClassification, folder: str | Path) -> None:
    """Save a sub-model that stands alone so that `from_pretrained` needs no `tinybert_l`.

    At full width it is a plain BERT. A narrower one takes its code along, a copy of `narrow_bert`,
    which transformers runs with `trust_remote_code=True`.

    Raises:
        InvalidInput: another head, or a model that drops tokens or attends in windows; its own
            `save_pretrained` saves it.
    """
    require_classifier(model, "save_alone", "its own save_pretrained")
    config = model.config
    folder = Path(folder)
    if config.kept_length < 1 or config.attention_window is not None:
        raise InvalidInput(
            f"save_alone: kept_length={config.kept_length}, attention_window="
            f"{config.attention_window}; allowed: 1 and None, or save_pretrained, which needs "
            "tinybert_l to be loaded."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if is_plain(config):
        save_quietly(to_bert(model), folder)
        return
    save_quietly(model, folder)
    path = folder / "config.json"
    settings = read_json(path) | {"auto_map": AUTO_MAP}  # of this folder alone, not of the model
    write_atomically(path, json.dumps(settings, indent=2, sort_keys=True) + "\n")
    source = Path(__file__).with_name("narrow_bert.py").read_text(encoding="utf-8")
    write_atomically(folder / f"{NARROW}.py", source)
