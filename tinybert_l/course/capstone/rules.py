"""The rules of the capstone: what an entry may hold, how large and how slow it may be."""

from functools import cache
from pathlib import Path

from tinybert_l.cache import read_json
from tinybert_l.errors import InvalidInput

LABELS = ("negative", "positive")  # in the order of the course's label numbers
BUDGET_MS = 2.0  # a sentence, on the reference machine
SIZE_LIMIT = 8 * 10**6  # bytes of all files of an entry
MAX_TOKENS_LIMIT = 128  # that an entry may read of a sentence
# written by benchmarks/capstone_reference.py
REFERENCE_MACHINE = Path(__file__).with_name("reference_machine.json")

DESCRIPTION = "entry.json"
VOCABULARY = "vocab.txt"
ONNX_MODEL = "model.onnx"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FILE_LIMITS = {  # bytes
    DESCRIPTION: 4096,
    CONFIG: 16_384,
    VOCABULARY: 2**20,
    ONNX_MODEL: SIZE_LIMIT,
    WEIGHTS: SIZE_LIMIT,
}
FILE_SETS = (
    frozenset({DESCRIPTION, VOCABULARY, ONNX_MODEL}),
    frozenset({DESCRIPTION, VOCABULARY, WEIGHTS, CONFIG}),
)
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "logits"


class EntryRefused(InvalidInput):
    """An entry breaks a rule of the capstone; the message says which."""


@cache
def budget_ratio() -> float:
    """Return how long an entry may take for a sentence, as a share of the teacher's time.

    It is the budget in milliseconds over the teacher's time on the reference machine.
    """
    return BUDGET_MS / float(read_json(REFERENCE_MACHINE)["teacher_ms"])
