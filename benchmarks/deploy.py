"""Compare exported sub-models with the teacher: `python benchmarks/deploy.py`.

Takes two minutes once trained. Latency at batch 1 and 32, bytes and test accuracy in torch
float32, ONNX Runtime float32 and int8, of a joint run that is shorter than the default's; it is
trained first where the cache has none. benchmarks/headline.py trains in earnest.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from contest import contest, report
from headline import Model, correct_predictions, deployed

from tinybert_l import begin
from tinybert_l.course.rows import DeployedModel, DeployRow, TimedRow
from tinybert_l.method.evaluation import weight_bytes
from tinybert_l.method.export import OnnxClassifier
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel

SUB_MODELS = (SubModel(3, 0.5), SubModel(2, 0.5), SubModel(2, 0.25))
LENGTH = 32
ROUNDS = 7
TEXTS_A_ROUND = 64
RECIPE = JointRecipe(num_steps=60, learning_rate=3e-4, attention_weight=0.0)


def main() -> None:
    supernet = load_supernet(RECIPE)
    data = supernet.teacher.data["test"]
    teacher = supernet.teacher.model
    # None stands for the teacher, as in `DeployRow`
    models: dict[DeployedModel | None, tuple[Model, int]] = {None: (teacher, weight_bytes(teacher))}
    with tempfile.TemporaryDirectory() as folder:
        for sub_model in SUB_MODELS:
            exported = deployed(supernet.model, Path(folder), sub_model)
            for runtime, model_and_bytes in exported.items():
                models[DeployedModel(sub_model, runtime)] = model_and_bytes
        accuracy = {}
        for key, (model, _) in models.items():
            accuracy[key] = 100 * float(correct_predictions(model, data).float().mean())
        for batch in (1, 32):
            calls = {key: forward_pass(model, batch) for key, (model, _) in models.items()}
            rows: list[TimedRow] = []
            for key, timing in contest(calls, ROUNDS, TEXTS_A_ROUND // batch).items():
                size = models[key][1]
                rows.append(
                    DeployRow(
                        duration_ms=timing.duration_ms,
                        times_faster=timing.times_faster,
                        model=key,
                        megabytes=size / 1e6,
                        times_smaller=models[None][1] / size,
                        accuracy_percent=accuracy[key],
                    )
                )
            name = "deploy" if batch == 1 else "deploy_batch_32"
            report(name, "deploy", rows, batch=batch, length=LENGTH)


def forward_pass(model: Model, batch: int) -> Callable[[], Any]:
    """A call that classifies a batch of random texts without padding."""
    ids = torch.randint(1000, 2000, (batch, LENGTH))
    mask = torch.ones_like(ids)

    @torch.no_grad()
    def call() -> Any:
        if isinstance(model, OnnxClassifier):
            return model(ids, mask)
        return model(input_ids=ids, attention_mask=mask).logits.numpy()

    return call


if __name__ == "__main__":
    begin(1, demo=True)
    main()
