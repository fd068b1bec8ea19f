"""Train the default teacher from scratch and ship its adapter: `python tools/make_adapter.py`.

Takes a few minutes on two cores. Writes tinybert_l/method/adapter: the weights in 16 bits, the
recipe, the versions, and the metrics of the teacher that these weights give.
"""

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.teacher import (
    SHIPPED,
    TeacherRecipe,
    accuracy_of,
    load_teacher,
    merge_shipped,
)


def main() -> None:
    recipe = TeacherRecipe()
    trained = load_teacher(recipe, from_scratch=True)
    adapter = trained.folder / "adapter"
    weights = {}
    for name, value in load_file(adapter / "adapter_model.safetensors").items():
        weights[name] = value.to(torch.float16)
    SHIPPED.mkdir(exist_ok=True)
    save_file(weights, SHIPPED / "adapter_model.safetensors")
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = (
        recipe.checkpoint
    )  # its path on this machine would be of no use
    write_atomically(SHIPPED / "adapter_config.json", json.dumps(settings, indent=1) + "\n")
    splits, _ = recipe.splits()
    note = {
        "command": "python tools/make_adapter.py",
        "recipe": recipe.key(splits),
        "metrics": {},
        **provenance(),
    }
    write_atomically(SHIPPED / "recipe.json", json.dumps(note, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        merge_shipped(str(embedded_teacher_path()), Path(folder))
        model = BertForSequenceClassification.from_pretrained(folder).eval()
    note["metrics"] = {
        f"{name}_accuracy": accuracy_of(model, trained.data[name])
        for name in ("validation", "test")
    }
    note["metrics"] |= {
        "steps": trained.metrics["steps"],
        "precision": trained.metrics["precision"],
    }
    write_atomically(SHIPPED / "recipe.json", json.dumps(note, indent=1) + "\n")
    print(json.dumps(note["metrics"]))


if __name__ == "__main__":
    main()
