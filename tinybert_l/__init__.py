"""TinyBERT-L: one weight-sharing student whose sub-models are trained jointly.

`import tinybert_l` is quick: a name is imported when it is first used.
"""

import os
from importlib import import_module

# onnxruntime reports its use to its makers unless this is set before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

TYPE_CHECKING = False  # a name that editors and mypy know; typing is slow to import
if TYPE_CHECKING:  # at run time `__getattr__` imports these names
    from tinybert_l.course import figures, tables
    from tinybert_l.exercises.lecture_01 import parameter_count, soft_cross_entropy
    from tinybert_l.exercises.lecture_02 import joint_loss, sandwich_sample
    from tinybert_l.exercises.lecture_03 import (
        attention_loss,
        hidden_loss,
        kept_layers,
        layer_map,
        slice_heads,
    )
    from tinybert_l.exercises.lecture_04 import (
        clip_by_global_norm,
        linear_warmup_decay,
        submodel_schedule,
        weight_decay_by_name,
    )
    from tinybert_l.exercises.lecture_05 import best_answer_span, split_document
    from tinybert_l.exercises.lecture_06 import pareto_frontier
    from tinybert_l.exercises.lecture_07 import early_exit, head_importance
    from tinybert_l.exercises.lecture_08 import choose_submodel, macro_f1
    from tinybert_l.exercises.lecture_09 import causal_mask, distinct_n, top_p_filter
    from tinybert_l.exercises.lecture_11 import flops
    from tinybert_l.exercises.registry import AnswerError, MissingAnswer, begin
    from tinybert_l.method.config import ElasticBertConfig
    from tinybert_l.method.data import load_reviews, prepare_data
    from tinybert_l.method.distil import distil
    from tinybert_l.method.evaluation import evaluate
    from tinybert_l.method.family import Family
    from tinybert_l.method.importance import sort_by_importance
    from tinybert_l.method.joint import load_supernet, train_jointly
    from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticBertModel
    from tinybert_l.method.onnx_files import export_onnx
    from tinybert_l.method.recipe import JointRecipe
    from tinybert_l.method.teacher import TeacherRecipe, load_teacher
    from tinybert_l.submodels import SubModel, sub_model_grid
    from tinybert_l.tasks.generation import load_writer
    from tinybert_l.tasks.questions import load_reader
    from tinybert_l.tasks.shipped_writer import shipped_writer

__version__ = "0.2.0"

# Module of each public name; a test holds it equal to the imports above.
_HOME_OF = {
    "figures": "course",
    "tables": "course",
    "parameter_count": "exercises.lecture_01",
    "soft_cross_entropy": "exercises.lecture_01",
    "joint_loss": "exercises.lecture_02",
    "sandwich_sample": "exercises.lecture_02",
    "attention_loss": "exercises.lecture_03",
    "hidden_loss": "exercises.lecture_03",
    "kept_layers": "exercises.lecture_03",
    "layer_map": "exercises.lecture_03",
    "slice_heads": "exercises.lecture_03",
    "clip_by_global_norm": "exercises.lecture_04",
    "linear_warmup_decay": "exercises.lecture_04",
    "submodel_schedule": "exercises.lecture_04",
    "weight_decay_by_name": "exercises.lecture_04",
    "best_answer_span": "exercises.lecture_05",
    "split_document": "exercises.lecture_05",
    "pareto_frontier": "exercises.lecture_06",
    "early_exit": "exercises.lecture_07",
    "head_importance": "exercises.lecture_07",
    "choose_submodel": "exercises.lecture_08",
    "macro_f1": "exercises.lecture_08",
    "causal_mask": "exercises.lecture_09",
    "distinct_n": "exercises.lecture_09",
    "top_p_filter": "exercises.lecture_09",
    "flops": "exercises.lecture_11",
    "AnswerError": "exercises.registry",
    "MissingAnswer": "exercises.registry",
    "begin": "exercises.registry",
    "load_reviews": "method.data",
    "prepare_data": "method.data",
    "distil": "method.distil",
    "evaluate": "method.evaluation",
    "export_onnx": "method.onnx_files",
    "Family": "method.family",
    "sort_by_importance": "method.importance",
    "load_supernet": "method.joint",
    "train_jointly": "method.joint",
    "ElasticBertConfig": "method.config",
    "ElasticBertForSequenceClassification": "method.model",
    "ElasticBertModel": "method.model",
    "JointRecipe": "method.recipe",
    "TeacherRecipe": "method.teacher",
    "load_teacher": "method.teacher",
    "SubModel": "submodels",
    "sub_model_grid": "submodels",
    "load_writer": "tasks.generation",
    "load_reader": "tasks.questions",
    "shipped_writer": "tasks.shipped_writer",
}
__all__ = [*_HOME_OF]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tinybert_l' has no attribute {name!r}")
    home = f"{__name__}.{_HOME_OF[name]}"
    if name in ("figures", "tables"):
        return import_module(f"{home}.{name}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
