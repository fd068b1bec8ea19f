"""Make entries: of a sub-model, of a bag of word pieces, and of the teacher, who sets the pace."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinybert_l.cache import cached, write_atomically
from tinybert_l.course.capstone.bag import write_bag_model
from tinybert_l.course.capstone.description import Description
from tinybert_l.course.capstone.rules import DESCRIPTION, LABELS, ONNX_MODEL, VOCABULARY
from tinybert_l.errors import InvalidInput
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import load_reviews
from tinybert_l.method.export import export_onnx
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import load_teacher
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

MAX_TOKENS = 64
PIECES = 12_000  # of the first entries' vocabulary
FIRST_SUB_MODELS = (SubModel(2, 0.25), SubModel(3, 0.5))


def write_entry(
    folder: Path,
    name: str,
    model: ElasticBertForSequenceClassification,
    sub_model: SubModel,
    tokenizer: PreTrainedTokenizerBase,
    int8: bool = True,
) -> Path:
    """Write a sub-model of an elastic model as an entry: three files in a folder.

    Args:
        folder: made where it is missing; files of an earlier entry are replaced.
        name: that the table shows.
        tokenizer: the model's, a fast one of word pieces.
        int8: store and multiply the weights as 8-bit integers: a quarter of the bytes.
    Raises:
        InvalidInput: a tokenizer of another kind, or a sub-model that drops tokens.
    """
    pieces, lowercase = _word_pieces(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        path = export_onnx(model, sub_model, Path(work) / ONNX_MODEL, int8)
        write_atomically(folder / ONNX_MODEL, path.read_bytes())
    _write_words(folder, pieces, Description(name, LABELS, lowercase, MAX_TOKENS))
    return folder


def write_bag_of_words(folder: Path, name: str = "bag of words") -> Path:
    """Write the best bag of word pieces, fitted on the training sentences, as an entry."""
    teacher = load_teacher()
    pieces, lowercase = _word_pieces(teacher.tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    write_bag_model(folder / ONNX_MODEL, load_reviews(), teacher.tokenizer, MAX_TOKENS)
    _write_words(folder, pieces, Description(name, LABELS, lowercase, MAX_TOKENS))
    return folder


def write_first_entries(folder: Path, student: Path | None = None) -> list[Path]:
    """Write the entries that a league begins with: a bag of words and two sub-models.

    Args:
        student: a trained elastic student with its tokenizer, as benchmarks/headline.py keeps them;
            None: the course's own, with a smaller vocabulary.
    """
    model, tokenizer = _course_student() if student is None else _saved_student(student)
    written = [write_bag_of_words(folder / "bag-of-words")]
    for sub_model in FIRST_SUB_MODELS:
        name = f"TinyBERT-L {sub_model.name} int8"
        path = folder / f"tinybert-l-{sub_model.name}"
        written.append(write_entry(path, name, model, sub_model, tokenizer))
    return written


def teacher_folder() -> Path:
    """Return the folder of the teacher in the form of an entry, in float32; kept in the cache."""
    teacher = load_teacher()

    def build(folder: Path) -> dict[str, Any]:
        model = elastic_copy(teacher.model)
        write_entry(
            folder / "teacher", "teacher", model, model.full_size(), teacher.tokenizer, False
        )
        return {}

    return cached("capstone-teacher", {"teacher": teacher.key}, build) / "teacher"


def _word_pieces(tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], bool]:
    """Return a tokenizer's word pieces by their ids, and whether it puts texts into lower case."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = {} if backend is None else json.loads(backend.to_str())
    if (described.get("model") or {}).get("type") != "WordPiece":
        raise InvalidInput(
            f"capstone: tokenizer is a {type(tokenizer).__name__}; allowed: a fast one of word "
            "pieces, as BERT's."
        )
    ids = described["model"]["vocab"]
    normalizer = described.get("normalizer") or {}
    return sorted(ids, key=ids.__getitem__), bool(normalizer.get("lowercase"))


def _write_words(folder: Path, pieces: Sequence[str], description: Description) -> None:
    write_atomically(folder / VOCABULARY, "\n".join(pieces) + "\n")
    write_atomically(folder / DESCRIPTION, description.to_json())


def _course_student() -> tuple[ElasticBertForSequenceClassification, PreTrainedTokenizerBase]:
    supernet = load_supernet()
    model = elastic_copy(supernet.model)
    texts = supernet.teacher.splits["train"].texts
    return model, prune_vocabulary(model, supernet.teacher.tokenizer, texts, PIECES)


def _saved_student(
    folder: Path,
) -> tuple[ElasticBertForSequenceClassification, PreTrainedTokenizerBase]:
    from transformers import PreTrainedTokenizerFast

    with quiet_loading():
        model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)
