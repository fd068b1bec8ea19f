"""TinyBERT-L: one weight-sharing student whose sub-models are trained jointly.

`import tinybert_l` is quick: what needs torch is imported when it is first asked for.
"""

from importlib import import_module
from typing import Any

from tinybert_l.exercise import AnswerError, MissingAnswer, begin

__version__ = "0.1.0"

_HOME_OF = {
    "SubModel": "submodels",
    "kept_layers": "submodels",
    "sub_model_grid": "submodels",
    "load_reviews": "data",
    "prepare_data": "data",
    "TeacherRecipe": "teacher",
    "load_teacher": "teacher",
    "ElasticBertConfig": "model",
    "ElasticBertModel": "model",
    "ElasticBertForSequenceClassification": "model",
    "slice_heads": "model",
    "sort_by_importance": "model",
    "layer_map": "distillation",
    "attention_loss": "distillation",
    "hidden_loss": "distillation",
    "soft_cross_entropy": "distillation",
    "joint_loss": "distillation",
    "sandwich_sample": "distillation",
    "submodel_schedule": "distillation",
    "JointRecipe": "joint",
    "train_jointly": "joint",
    "load_supernet": "joint",
    "linear_warmup_decay": "optimisation",
    "clip_by_global_norm": "optimisation",
    "weight_decay_by_name": "optimisation",
    "split_document": "data",
    "best_answer_span": "questions",
    "load_reader": "questions",
    "causal_mask": "generation",
    "top_p_filter": "generation",
    "distinct_n": "generation",
    "load_writer": "generation",
    "head_importance": "model",
    "parameter_count": "evaluation",
    "flops": "evaluation",
    "macro_f1": "evaluation",
    "choose_submodel": "evaluation",
    "early_exit": "evaluation",
    "export_onnx": "export",
    "evaluate": "evaluation",
    "pareto_frontier": "evaluation",
    "figures": "",
    "tables": "",
}
__all__ = ["AnswerError", "MissingAnswer", "begin", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tinybert_l' has no attribute {name!r}")
    home = _HOME_OF[name]
    if not home:
        return import_module(f"tinybert_l.{name}")
    return getattr(import_module(f"tinybert_l.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
