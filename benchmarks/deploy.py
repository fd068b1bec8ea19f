"""Exported sub-models against the teacher: `python benchmarks/deploy.py` (two minutes once trained).

Latency at batch 1 and 32, bytes and test accuracy in torch float32, ONNX Runtime float32 and int8, of a joint run that
is shorter than the default's, trained first where the cache has none. benchmarks/headline.py trains in earnest.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import contest, report

from tinybert_l import begin
from tinybert_l.method.data import collate
from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.method.extraction import extract
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

SUB_MODELS, LENGTH, ROUNDS = (SubModel(3, 0.5), SubModel(2, 0.5), SubModel(2, 0.25)), 32, 7
RECIPE = JointRecipe(num_steps=60, learning_rate=3e-4, attention_weight=0.0)


def main() -> None:
    supernet = load_supernet(RECIPE)
    data = supernet.teacher.data["test"]
    models: dict[str, tuple[Any, int]] = {
        "teacher 教师, torch": (supernet.teacher.model, _bytes(supernet.teacher.model))
    }
    with tempfile.TemporaryDirectory() as folder:
        for s in SUB_MODELS:
            small = extract(supernet.model, s)
            models[f"{s.label}, torch"] = (small, _bytes(small))
            for kind in ("float32", "int8"):
                path = export_onnx(
                    supernet.model, s, Path(folder) / f"{s.name}-{kind}.onnx", int8=kind == "int8"
                )
                models[f"{s.label}, ONNX {kind}"] = (OnnxClassifier(path), path.stat().st_size)
        accuracy = {name: 100 * _accuracy(model, data) for name, (model, _) in models.items()}
        for batch in (1, 32):
            rows = contest(
                {name: _asked(model, batch) for name, (model, _) in models.items()},
                ROUNDS,
                64 // batch,
            )
            for row in rows:
                size = models[row["name"]][1]
                row["MB"], row["smaller 小"] = size / 1e6, models[rows[0]["name"]][1] / size
                row["accuracy 准确率 (%)"] = accuracy[row["name"]]
            title = f"Deployed 部署: batch {batch}, length {LENGTH}"
            report(
                "deploy" if batch == 1 else "deploy_batch_32",
                title,
                rows,
                ("MB", "smaller 小", "accuracy 准确率 (%)"),
            )


def _bytes(model: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _asked(model: Any, batch: int) -> Any:
    ids = torch.randint(1000, 2000, (batch, LENGTH))
    mask = torch.ones_like(ids)
    return lambda: _logits(model, ids, mask)


@torch.no_grad()
def _logits(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    if isinstance(model, OnnxClassifier):
        return model(ids, mask)
    return model(input_ids=ids, attention_mask=mask).logits.numpy()


def _accuracy(model: Any, data: Any) -> float:
    if not isinstance(model, OnnxClassifier):
        predictions = predict_logits(model, data).argmax(-1).numpy()
    else:  # one by one: int8 scales depend on what else is in a batch
        batches = (collate(data, [i]) for i in range(len(data)))
        predictions = np.array(
            [int(model(b["input_ids"], b["attention_mask"]).argmax()) for b in batches]
        )
    return float((predictions == np.array(data.labels)).mean())


if __name__ == "__main__":
    begin(1, demo=True)
    main()
