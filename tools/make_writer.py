"""Train the course's language model from scratch: `python tools/make_writer.py`.

Takes about two hours on one core, and goes on where it was stopped.
"""

import json
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from tinybert_l import begin
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.nested_writer import CONTEXT, nested_model, train_nested
from tinybert_l.tasks.review_texts import (
    UNKNOWN,
    as_blocks,
    frequent_tokens,
    in_numbers,
    numbered,
    review_parts,
    token_ids,
)

VOCABULARY = 6000
LARGEST = SubModel(6)
SMALLEST = SubModel(2, 0.5)
RECIPE = JointRecipe(
    stages=((0.0, (LARGEST,)), (0.02, (SubModel(4), SubModel(3))), (0.1, (SMALLEST,))),
    num_steps=3600,
    batch_size=8,
    learning_rate=7e-4,
    warmup_share=0.05,
    checkpoint_every=250,
    precision="bfloat16",
)
WORK = Path("outputs/writer")


@torch.no_grad()
def perplexity(model, blocks, sub_model) -> float:
    total, count = 0.0, 0
    for part in blocks.split(16):
        logits = model(part[:, :-1], sub_model=sub_model).logits.flatten(0, 1).float()
        labels = part[:, 1:].flatten()
        total += float(F.cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum"))
        count += int((labels != UNKNOWN).sum())
    return float(torch.tensor(total / count).exp())


def main() -> None:
    encoder, tokenizer = load_embedded()
    parts = review_parts()
    ids = token_ids(tokenizer, parts.train)
    vocabulary = frequent_tokens(tokenizer, ids, VOCABULARY)
    torch.manual_seed(RECIPE.seed)
    model = nested_model(encoder, vocabulary)
    WORK.mkdir(parents=True, exist_ok=True)
    blocks = as_blocks([numbered(review, vocabulary) for review in ids], CONTEXT)
    print(len(blocks), "blocks", flush=True)
    log = train_nested(model, blocks, RECIPE, WORK)
    model.eval()
    model.save_pretrained(WORK / "model")
    (WORK / "log.json").write_text(json.dumps(log, default=float))
    held_out = as_blocks(in_numbers(tokenizer, parts.validation, vocabulary), CONTEXT)
    for sub_model in RECIPE.sub_models():
        print(sub_model.label, perplexity(model, held_out, sub_model), flush=True)


if __name__ == "__main__":
    begin(1, demo=True)
    sys.exit(main())
