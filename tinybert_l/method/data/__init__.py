"""Texts on their way to a model: read, split by a stable hash, tokenised, batched by length."""

from tinybert_l.method.data.batches import (
    Batch,
    bucketed_batches,
    collate,
    model_inputs,
    training_batches,
)
from tinybert_l.method.data.encoding import Encoded, encode, encode_all, prepare_data
from tinybert_l.method.data.reviews import (
    REVIEWS,
    embedded_teacher_path,
    labelled_reviews,
    load_reviews,
    packaged_file,
    unlabelled_sentences,
)
from tinybert_l.method.data.splits import (
    NUM_FOLDS,
    TEST_SIZE,
    VALIDATION_SIZE,
    Split,
    data_hash,
    normalised,
    split_by_hash,
    stable_rank,
)
from tinybert_l.method.data.tables import Table, load_table, read_table
