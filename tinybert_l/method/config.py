"""The configuration of the elastic models."""

import copy
import warnings
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from transformers import AutoConfig, BertConfig

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answer_sources import answers_in_use
from tinybert_l.exercises.lecture_03 import kept_layers
from tinybert_l.exercises.registry import Exercise, find_exercise

# For runs that see each text at most once: no risk of overfitting, and SDPA has a faster kernel
# without dropout.
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


UNKNOWN = "unknown"  # the kind of answer of a checkpoint that does not name it
# Kinds of the settings that a BERT does not have; each but kept_length may be None.
KINDS = {
    "attention_head_size": Integral,
    "attention_window": Integral,
    "kept_length": Real,
    "layers_by_depth": list,
    "head_order": list,
    "answers": dict,
    "trained": dict,
}


class ElasticBertConfig(BertConfig):
    """A `BertConfig` whose heads need not fill the hidden size.

    What exercises decide about a model is computed once, when the model is made, and stands here
    ever after: a checkpoint computes the same in every process, whatever answers are in use there.

    Args:
        attention_head_size: numbers per head; None: hidden_size / num_attention_heads, as in BERT.
        attention_window: block size of local-window attention (see `windowed`); None: full.
        kept_length: share of the tokens that reach the last layer when `forward` gets no sub-model.
        layers_by_depth: for each depth from 1 on, the layers that a sub-model of it keeps, from 0;
            None: those that the answer to `kept_layers` chooses when a model is made.
        head_order: for each layer, which of the original's heads each head was, once sorted.
        answers: {exercise: kind and fingerprint of its answer} that made and trained the model.
        trained: what the model was trained on (see `joint.training_record`).
        Everything else as in `BertConfig`.
    Raises:
        InvalidInput: a size out of range, no head size given and hidden_size not divisible, or
            layers that the model does not have.
    """

    model_type = "elastic_bert"
    # What a Trainer does not take for predictions.
    keys_to_ignore_at_inference: ClassVar[list[str]] = [
        "last_hidden_state",
        "pooler_output",
        "hidden_states",
        "attention_scores",
        "attentions",
        "cache",
    ]
    attention_head_size: int | None = None
    attention_window: int | None = None
    kept_length: float = 1.0
    layers_by_depth: list | None = None
    head_order: list | None = None
    answers: dict | None = None
    trained: dict | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_kinds()
        if self.num_hidden_layers < 1:
            raise InvalidInput(
                f"ElasticBertConfig: num_hidden_layers={self.num_hidden_layers}; "
                "allowed: at least 1."
            )
        if self.num_attention_heads < 1:
            raise InvalidInput(
                f"ElasticBertConfig: num_attention_heads={self.num_attention_heads}; "
                "allowed: at least 1."
            )
        if self.attention_head_size is None:
            if self.hidden_size % self.num_attention_heads:
                raise InvalidInput(
                    f"ElasticBertConfig: hidden_size={self.hidden_size} is no multiple of "
                    f"num_attention_heads={self.num_attention_heads}; give attention_head_size."
                )
            self.attention_head_size = self.hidden_size // self.num_attention_heads
        self._check_shares()
        if self.layers_by_depth is not None:
            self._check_layers()

    def _check_kinds(self) -> None:
        """Refuse what a hand that edited config.json may have written."""
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if value is None and name != "kept_length":
                continue
            if isinstance(value, bool) or not isinstance(value, kind):
                word = {list: "a list", dict: "an object"}.get(kind, "a number")
                raise InvalidInput(f"ElasticBertConfig: {name}={value!r}; allowed: {word}.")

    def _check_shares(self) -> None:
        """Refuse sizes that no attention can have."""
        allowed = {
            "attention_head_size": (int(self.attention_head_size or 0) >= 1, "at least 1"),
            "attention_window": (
                self.attention_window is None or self.attention_window >= 1,
                "None, or at least 1 token",
            ),
            "kept_length": (0 < self.kept_length <= 1, "above 0, at most 1"),
        }
        for name, (in_range, limits) in allowed.items():
            if not in_range:
                raise InvalidInput(
                    f"ElasticBertConfig: {name}={getattr(self, name)!r}; allowed: {limits}."
                )

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Self:
        """Read a saved configuration; one of before `layers_by_depth` has the course's rule."""
        if config_dict.get("layers_by_depth") is None:
            config_dict = config_dict | _rule_of_old_checkpoints(config_dict)
        return super().from_dict(config_dict, **kwargs)

    def layers_of(self, depth: int) -> tuple[int, ...]:
        """Return the layers that a sub-model of this depth keeps, as they were fixed."""
        if depth == self.num_hidden_layers:
            return tuple(range(depth))
        known = self.layers_by_depth
        if known is None or len(known) != self.num_hidden_layers or known[depth - 1] is None:
            return _answered_layers(self.num_hidden_layers, depth)  # as long as it is not fixed
        self._check_layers()  # whoever has the model may have changed them
        if (self.answers or {}).get("kept_layers", {}).get("source") == UNKNOWN:
            self._warn_of_old_rule(depth)
        return tuple(known[depth - 1])

    def fix_layers(self) -> None:
        """Compute, where it is not done yet, the layers of each depth by today's answer.

        A depth for which there is no fit answer stays open.
        """
        number = self.num_hidden_layers
        if self.layers_by_depth is None or len(self.layers_by_depth) != number:
            self.layers_by_depth = [None] * number
        if None not in self.layers_by_depth:
            return
        self.layers_by_depth[-1] = list(range(number))
        for depth in range(1, number):
            if self.layers_by_depth[depth - 1] is None:
                try:
                    self.layers_by_depth[depth - 1] = list(_answered_layers(number, depth))
                except Exception:  # a student's answer may raise anything; whoever runs it sees it
                    continue
        self.answers = {**(self.answers or {}), **answers_in_use(["kept_layers"])}

    def note_answers(self, names: Collection[str]) -> None:
        """Keep which answers to these exercises have been used; layers stay as they were fixed."""
        answers = answers_in_use(names)
        for name, answer in (self.answers or {}).items():
            if name == "kept_layers":
                answers[name] = answer
        self.answers = {**(self.answers or {}), **answers}

    def _check_layers(self) -> None:
        for depth, layers in enumerate(self.layers_by_depth or [], 1):
            if layers is not None and not _fit(layers, self.num_hidden_layers, depth):
                raise InvalidInput(
                    f"ElasticBertConfig: layers_by_depth has {layers} for depth {depth}; allowed: "
                    f"{depth} different layers from 0 to {self.num_hidden_layers - 1}, ascending."
                )

    def _warn_of_old_rule(self, depth: int) -> None:
        """Warn where the stand-in of before lecture 3 would have trained on other layers."""
        layers = self.layers_of_stand_in(depth)
        if layers != (self.layers_by_depth or [])[depth - 1]:
            warnings.warn(
                f"This checkpoint does not say which layers it keeps at depth {depth}; it runs "
                f"{(self.layers_by_depth or [])[depth - 1]}, by the course's rule. If it was "
                f"trained before lecture 3 was answered, it was {layers}: write them into "
                "layers_by_depth of its config.json. 该检查点未记录保留的层。",
                stacklevel=2,
            )

    def layers_of_stand_in(self, depth: int) -> list[int]:
        """Return the layers that the stand-in for `kept_layers` chooses."""
        peer = find_exercise("kept_layers").peer
        return [] if peer is None else peer(self.num_hidden_layers, depth)


def warn_of_other_layers(of_weights: list[list[int] | None] | None, config: Any) -> None:
    """Warn where weights come from a model whose sub-models keep other layers than this one's."""
    pairs = zip(of_weights or [], config.layers_by_depth or [], strict=False)
    for depth, (theirs, ours) in enumerate(pairs, 1):
        if theirs is not None and ours is not None and list(theirs) != list(ours):
            warnings.warn(
                f"load_state_dict: at depth {depth} these weights belong to the layers {theirs}, "
                f"and this model keeps {ours}: its sub-models compute something else. Take the "
                "other model's configuration, which names its layers. 两个模型各深度保留的层不同。",
                stacklevel=2,
            )
            return


def _fit(layers: Any, number: int, depth: int) -> bool:
    """Whether an answer names `depth` layers of the model, ascending."""
    plain = isinstance(layers, list | tuple) and all(type(layer) is int for layer in layers)
    if not plain or len(layers) != depth:
        return False
    return all(0 <= layer < number for layer in layers) and sorted(set(layers)) == list(layers)


def _answered_layers(number: int, depth: int) -> tuple[int, ...]:
    """Ask the answer to `kept_layers`.

    Raises:
        InvalidInput: it names no such layers.
    """
    layers = kept_layers(number, depth)
    if not _fit(layers, number, depth):
        raise InvalidInput(
            f"kept_layers({number}, {depth}) gave {layers}; allowed: {depth} different layers from "
            f"0 to {number - 1}, ascending. kept_layers返回的层不符合要求。"
        )
    return tuple(layers)


def _rule_of_old_checkpoints(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the layers of each depth by the course's rule, whatever answer is in use."""
    number = settings.get("num_hidden_layers", BertConfig().num_hidden_layers)
    entry: Exercise[..., Any] = find_exercise("kept_layers")
    rule = entry.own_function or entry.reference
    if rule is None or not isinstance(number, int) or number < 1:
        return {}
    layers = [list(rule(number, depth)) for depth in range(1, number + 1)]
    answers = {**(settings.get("answers") or {}), "kept_layers": {"source": UNKNOWN, "hash": ""}}
    return {"layers_by_depth": layers, "answers": answers}


def config_settings(config: Any) -> dict[str, Any]:
    """Return a configuration's settings without those that name a class.

    `ElasticBertConfig(**config_settings(config))` is the elastic configuration of the same sizes.
    """
    settings = copy.deepcopy(config.to_dict())
    settings.pop("model_type", None)
    settings.pop("architectures", None)
    return settings


# transformers reads a checkpoint's `model_type` and finds this class by it.
AutoConfig.register(ElasticBertConfig.model_type, ElasticBertConfig, exist_ok=True)
