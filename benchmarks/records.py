"""Run a long run whose record lectures show: `python benchmarks/records.py NAME [SEED ...]`.

NAME is one of these (tables and figures of the plan in brackets):

joint_against_separate  a joint run against its nine sub-models trained alone (table 2)
joint_equal_updates     the same, alone only about as often as the joint run draws them
stability               ways to introduce sub-models, and self-distillation (table 5)
training_methods        five ways to a small model (table 6)
long_documents          whole reviews: cut, windows, windowed attention (tables 8, 12)
questions               nine kinds of questions on stories of an unseen world (table 8)
generation              perplexity, variety, coherence and speed of writing (table 13)
assistant               the teacher itself, taught further by MPNet's soft labels
ablation                the headline's recipe, shorter, without one part at a time
chinese                 joint fine-tuning with and without joint pre-training
baselines               bags of words on growing numbers of labels; the teacher on reviews
teacher_on_reviews      a teacher of sentences on reviews, against words of the same text
trigram                 counted on the text that the language model learns from
writer                  the course's language model against trigrams, order, long texts
writer_alone            one of its sizes trained alone, as often as jointly
trivial_answers         the best answer without reading, for each kind of question
masked_tokens           Chinese pre-training, measured on hidden tokens only
gradient_agreement      do the gradients of sub-models point the same way? (figure 2)
cascade                 early exit in cascades of sub-models, and after every layer
strategies              schedule, clipping, weight decay and dropout off in turn (table 7)
two_stages              general distillation, then that of the task, as in the paper
self_distillation       learning curves with self-distillation and without (figure 5)

Each seed's rows are kept under outputs/records/ at once, so that a killed run goes on. With SEEDs,
only these are run: several processes can share the work; one without SEED then writes the record.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant_runs import ASSISTANT
from baseline_runs import BASELINES, TEACHER, TRIGRAM, TRIVIAL
from document_runs import DOCUMENTS
from headline_students import LENGTH
from headline_students import train as train_headline
from joint_runs import EQUAL_UPDATES, JOINT, METHODS, STABILITY
from long_run import Job, Settings, by_seed, correct_predictions, paired_interval, teacher_of
from self_distillation_runs import SELF_DISTILLATION_RUNS
from strategy_runs import STRATEGY_RUNS
from supernet_runs import AGREEMENT, CASCADE
from task_runs import CHINESE, GENERATION, MASKED_TOKENS, QUESTIONS
from two_stage_runs import TWO_STAGES
from writer_runs import ALONE, WRITER_RUNS

from tinybert_l import begin
from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.course import recipes
from tinybert_l.course.records import write_record
from tinybert_l.course.rows import AblationRow, Row, from_json, to_json
from tinybert_l.method.data import encode, load_reviews
from tinybert_l.method.teacher import load_teacher
from tinybert_l.submodels import SubModel

OUTPUT = Path("outputs/records")


@dataclass(frozen=True)
class AblationSeed:
    """One seed's predictions of a variant, by the sub-model's name."""

    variant: str
    correct: dict[str, list[int]]


def ablation(seed: int, settings: Settings) -> list[AblationSeed]:
    """Test sub-models without one part of the recipe of benchmarks/headline.py."""
    teacher = load_teacher(teacher_of(seed))
    all_steps = settings["inner_steps"] + settings["soft_label_steps"]
    changes: dict[str, Settings] = {
        "all_parts": {},
        "soft_labels_only": {"inner_steps": 0, "soft_label_steps": all_steps},
        "no_unlabelled_text": {"unlabelled": 0},
        "no_order_of_importance": {"sorted": False},
        "no_self_distillation": {"self_distillation": False},
        "whole_vocabulary": {"vocabulary": None},
        "smallest_alone": {"depths": [2], "widths": [0.25]},
    }
    rows = []
    for variant, change in changes.items():
        with tempfile.TemporaryDirectory() as folder:
            student, tokenizer = train_headline(teacher, {**settings, **change}, seed, Path(folder))
        data = encode(load_reviews(fold=seed)["test"], tokenizer, LENGTH)
        names = settings["sub_models"]
        if variant == "smallest_alone":
            names = names[-1:]
        hits = {name: correct_predictions(student, data, SubModel.parse(name)) for name in names}
        rows.append(AblationSeed(variant, hits))
    return rows


def summarise_ablation(seeds: list[list[AblationSeed]]) -> list[Row]:
    """Accuracy of each variant, and the difference from the whole recipe, with interval."""
    whole = [seed[0] for seed in seeds]
    rows: list[Row] = []
    for same in zip(*seeds, strict=True):
        accuracy, difference = {}, {}
        for name in same[0].correct:
            hits = by_seed([row.correct[name] for row in same])
            accuracy[name] = 100 * float(hits.mean())
            difference[name] = paired_interval(hits - by_seed([row.correct[name] for row in whole]))
        is_whole = same[0] is whole[0]
        rows.append(AblationRow(same[0].variant, accuracy, None if is_whole else difference))
    return rows


ABLATION = Job("ablation", recipes.ABLATION, AblationSeed, ablation, summarise_ablation)
JOBS: dict[str, Job[Any]] = {
    "joint_against_separate": JOINT,
    "joint_equal_updates": EQUAL_UPDATES,
    "stability": STABILITY,
    "training_methods": METHODS,
    "long_documents": DOCUMENTS,
    "questions": QUESTIONS,
    "generation": GENERATION,
    "ablation": ABLATION,
    "assistant": ASSISTANT,
    "chinese": CHINESE,
    "baselines": BASELINES,
    "teacher_on_reviews": TEACHER,
    "trigram": TRIGRAM,
    "writer": WRITER_RUNS,
    "writer_alone": ALONE,
    "trivial_answers": TRIVIAL,
    "masked_tokens": MASKED_TOKENS,
    "gradient_agreement": AGREEMENT,
    "cascade": CASCADE,
    "strategies": STRATEGY_RUNS,
    "self_distillation": SELF_DISTILLATION_RUNS,
    "two_stages": TWO_STAGES,
}


def seed_rows(name: str, seed: int) -> list[Any]:
    """Read a seed's rows; measure and keep them first where no earlier run has."""
    job = JOBS[name]
    path = OUTPUT / f"{name}-{recipe_hash(job.settings)}-{seed}-rows.json"
    if not path.is_file():
        measured = job.measure(seed, job.settings)
        write_atomically(path, json.dumps(list(map(to_json, measured)), ensure_ascii=False))
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [from_json(job.seed_row, row, f"{path.name}, row {n}") for n, row in enumerate(rows)]


def main(name: str, seeds: Sequence[int]) -> None:
    """Run a job's seeds; write the record unless seeds were named."""
    job = JOBS[name]
    # a run that draws nothing at random has no seeds
    measured = [seed_rows(name, seed) for seed in seeds or job.settings.get("seeds", [0])]
    if not seeds:
        command = f"python benchmarks/records.py {name}"
        print(write_record(name, job.kind, command, job.settings, job.summarise(measured)))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in JOBS:
        sys.exit(f"{__doc__}\nGiven: {sys.argv[1:]}; allowed: one of {', '.join(JOBS)}.")
    begin(1, demo=True)
    main(sys.argv[1], list(map(int, sys.argv[2:])))
