"""A program: the logits of a saved model at every depth, with various answers installed."""

import sys
from pathlib import Path

import torch

import tinybert_l
from tinybert_l.exercises.registry import find_exercise
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel


def install(answers: str) -> None:
    if answers == "begun":
        tinybert_l.begin(2)
    elif answers == "wrong":
        find_exercise("kept_layers").replace_answer(lambda layers, depth: list(range(depth)))
    elif answers == "broken":
        find_exercise("kept_layers").replace_answer(lambda layers, depth: 1 / 0)


def main(folder: Path, answers: str, into: Path) -> None:
    torch.set_num_threads(1)
    install(answers)
    model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    ids = torch.arange(1, 11).view(2, 5)
    logits = []
    with torch.no_grad():
        for depth in range(1, model.config.num_hidden_layers + 1):
            sub_model = SubModel(depth, 0.5)
            logits += [
                model(ids, sub_model=sub_model).logits,
                extract(model, sub_model)(ids).logits,
            ]
    torch.save(torch.stack(logits), into)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
