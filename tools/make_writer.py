"""Train the course's language model from scratch and ship it: `python tools/make_writer.py`.

Takes about two hours on one core, and goes on where it was stopped. Writes
tinybert_l/tasks/writer_weights: the rounded weights, the vocabulary, and a note with recipe,
versions, and the perplexity on validation reviews before and after the rounding.
"""

import json
from pathlib import Path
from typing import Any

import torch

from tinybert_l import begin
from tinybert_l.cache import provenance, write_atomically
from tinybert_l.method.config import config_settings
from tinybert_l.method.teacher import load_embedded
from tinybert_l.tasks import shipped_writer as shipped
from tinybert_l.tasks.generation import Writer
from tinybert_l.tasks.nested_writer import nested_model, train_nested
from tinybert_l.tasks.review_texts import (
    as_blocks,
    frequent_tokens,
    in_numbers,
    numbered,
    review_parts,
    token_ids,
)

WORK = Path("outputs/writer")
LOGGED = 50  # of the training log, every so many steps are shipped


def trained(tokenizer: Any, encoder: Any) -> tuple[Any, list[int], list[dict[str, Any]]]:
    """Train the model, or read it where an earlier run has finished."""
    ids = token_ids(tokenizer, review_parts().train)
    vocabulary = frequent_tokens(tokenizer, ids, shipped.VOCABULARY)
    torch.manual_seed(shipped.RECIPE.seed)
    model = nested_model(encoder, vocabulary, shipped.CONTEXT)
    finished, log_file = WORK / "model", WORK / "log.json"
    if log_file.is_file():
        model = type(model).from_pretrained(finished)
        return model, vocabulary, json.loads(log_file.read_text(encoding="utf-8"))
    WORK.mkdir(parents=True, exist_ok=True)
    blocks = as_blocks([numbered(review, vocabulary) for review in ids], shipped.CONTEXT)
    log = train_nested(model, blocks, shipped.RECIPE, WORK)
    model.save_pretrained(finished)
    write_atomically(log_file, json.dumps(log, default=float))
    return model, vocabulary, log


def perplexities(writer: Writer, blocks: torch.Tensor) -> dict[str, float]:
    """The perplexity of every sub-model."""
    sub_models = shipped.RECIPE.sub_models()
    return {part.name: writer.perplexity(blocks, part) for part in sub_models}


def main() -> None:
    encoder, tokenizer = load_embedded()
    model, vocabulary, log = trained(tokenizer, encoder)
    model.eval()
    reviews = in_numbers(tokenizer, review_parts().validation, vocabulary)
    blocks = as_blocks(reviews, shipped.CONTEXT)
    writer = Writer(model, tokenizer, vocabulary, blocks, shipped.RECIPE, log)
    settings = config_settings(model.config)
    shipped.FOLDER.mkdir(exist_ok=True)
    shipped.save_weights(model, vocabulary, shipped.WEIGHTS)
    rounded, _ = shipped.load_weights(shipped.WEIGHTS, settings)
    note = {
        "command": "python tools/make_writer.py",
        "recipe": shipped.recipe_values(),
        "config": settings,
        "log": log[::LOGGED],
        "metrics": {
            "validation_perplexity_before_rounding": perplexities(writer, blocks),
            "validation_perplexity": perplexities(
                Writer(rounded, tokenizer, vocabulary, blocks, shipped.RECIPE, log), blocks
            ),
        },
        **provenance(),
    }
    write_atomically(shipped.NOTE, json.dumps(note, indent=1) + "\n")
    print(json.dumps(note["metrics"], indent=1))


if __name__ == "__main__":
    begin(1, demo=True)
    main()
