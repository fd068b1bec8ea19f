"""Train the default teacher from scratch and ship it: `python tools/make_teacher.py`.

Takes a quarter of an hour on two cores. Writes tinybert_l/method/teacher_weights: how the teacher's
weights differ from the checkpoint's, the recipe, the versions, and the metrics of the teacher that
this file gives.
"""

import json
import tempfile
from pathlib import Path

from transformers import BertForSequenceClassification

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.method import shipped_teacher
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.teacher import (
    DEFAULT_TEACHER,
    accuracy_of,
    checkpoint_weights,
    load_teacher,
    merge_shipped,
    untrained_classifier,
)


def main() -> None:
    recipe = DEFAULT_TEACHER
    trained = load_teacher(recipe, from_scratch=True)
    source = str(embedded_teacher_path())
    shipped_teacher.FOLDER.mkdir(exist_ok=True)
    shipped_teacher.save_difference(
        trained.model.state_dict(),
        checkpoint_weights(untrained_classifier(source)),
        shipped_teacher.WEIGHTS,
    )
    splits, _ = recipe.splits()
    note = {
        "command": "python tools/make_teacher.py",
        "recipe": recipe.key(splits),
        "metrics": dict(trained.metrics),
        **provenance(),
    }
    _write(note)
    with tempfile.TemporaryDirectory() as folder:
        merge_shipped(source, Path(folder))
        model = BertForSequenceClassification.from_pretrained(folder).eval()
    for split in ("validation", "test"):
        note["metrics"][f"{split}_accuracy"] = accuracy_of(model, trained.data[split])
    _write(note)
    print(json.dumps(note["metrics"]))


def _write(note: dict[str, object]) -> None:
    write_atomically(shipped_teacher.NOTE, json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
