"""Train a language model whose shallower sub-models are its first layers.

Layers, not every other one as in the classifiers: one run of the largest model then gives the
hidden states of all depths, and a joint step costs little more than a step of the largest alone
(LayerSkip, Elhoushi et al. 2024, trains exits so). The sub-models still are the elastic model's:
its configuration names the layers that each depth keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tinybert_l.method.cached_model import TrainingLog
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.seeding import step_generator
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.generation import ElasticBertForCausalLM, causal_model
from tinybert_l.tasks.review_texts import UNKNOWN


def nested_model(encoder: Any, vocabulary: Sequence[int], context: int) -> ElasticBertForCausalLM:
    """Make a language model from a BERT encoder; depth d keeps the first d layers.

    Args:
        encoder, vocabulary: see `causal_model`.
        context: positions that the model has.
    """
    depths = range(1, encoder.config.num_hidden_layers + 1)
    return causal_model(
        encoder,
        vocabulary,
        max_position_embeddings=context,
        layers_by_depth=[list(range(depth)) for depth in depths],
    )


@dataclass
class SharedPass:
    """One run of the deepest sub-model, kept for those of a step that are its first layers.

    Attributes:
        deepest: of the sub-models of full width.
        step: of the states; -1: none yet.
        states: the embeddings, then each layer's output, [batch, length, hidden] each.
    """

    model: ElasticBertForCausalLM
    deepest: SubModel
    step: int = -1
    states: tuple[torch.Tensor, ...] = ()

    def logits(self, step: int, texts: torch.Tensor, sub_model: SubModel) -> torch.Tensor:
        """Return the logits [batch, length, vocabulary] of one sub-model on a step's texts."""
        if sub_model.width != 1:
            return self.model(texts, sub_model=sub_model).logits
        if self.step != step:
            output = self.model(
                texts, sub_model=self.deepest, output_hidden_states=True, logits_to_keep=1
            )
            self.states = output.hidden_states
            self.step = step
        return self.model.lm_head(self.states[sub_model.depth])


def train_nested(
    model: ElasticBertForCausalLM, blocks: torch.Tensor, recipe: JointRecipe, folder: Path
) -> TrainingLog:
    """Train the language model jointly, in place; resumes from checkpoints in `folder`.

    Args:
        blocks: [blocks, length], in the model's numbers; `UNKNOWN` is not predicted. Each pass over
            them has an order of its own.
    Returns:
        One row per step.
    """
    deepest = max((part for part in recipe.sub_models() if part.width == 1), key=_depth)
    shared = SharedPass(model, deepest)

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = blocks[_rows(recipe, step, len(blocks))].to(model.device)
        logits = shared.logits(step, batch[:, :-1], sub_model).flatten(0, 1)
        labels = batch[:, 1:].flatten()
        known = labels != UNKNOWN
        return logits[known], labels[known]

    return train_on_labels(model, predict, recipe, folder, "writer 生成")


def _depth(sub_model: SubModel) -> int:
    return sub_model.depth


def _rows(recipe: JointRecipe, step: int, blocks: int) -> torch.Tensor:
    """Return the blocks of a step: pass after pass, each in an order drawn from the seed."""
    places = torch.arange(step * recipe.batch_size, (step + 1) * recipe.batch_size)
    orders = {}
    for number in set((places // blocks).tolist()):
        orders[number] = torch.randperm(blocks, generator=step_generator(recipe.seed, -1 - number))
    return torch.stack([orders[int(place // blocks)][place % blocks] for place in places])
