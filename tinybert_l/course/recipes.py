"""The settings of the long runs behind results/, which a record keeps beside its rows.

benchmarks/records.py and benchmarks/headline.py run them. A record whose recipe differs from its
recipe here is shown as stale.
"""

from __future__ import annotations

from typing import Any

SEEDS = [0, 1, 2]
# where one trained model is measured, or one fold: spreads are over texts or batches, not seeds
ONE_SEED = [0]

NINE = ["6x1", "6x0.5", "3x1", "2x1", "6x0.25", "3x0.5", "2x0.5", "3x0.25", "2x0.25"]

LONG_JOINT: dict[str, Any] = {
    "num_steps": 400,
    "batch_size": 32,
    "seeds": SEEDS,
    "sub_models": NINE,
    "learning_rate": 3e-4,
    "attention_weight": 0.0,
    # one more sub-model a step, and so fewer steps: 1.4 times the cost of the largest alone
    "joint": {"num_random": 2, "num_steps": 325},
    "folds": True,
}

# Alone as often as the joint run trains each of the seven sub-models in between: 325 * 2 / 7.
EQUAL_UPDATES: dict[str, Any] = {**LONG_JOINT, "num_steps": 93}

LONG_STABILITY: dict[str, Any] = {
    "num_steps": 200,
    "batch_size": 32,
    "seeds": SEEDS,
    "learning_rate": 3e-4,
    "attention_weight": 0.0,
    "folds": True,
}

LONG_METHODS: dict[str, Any] = {
    "num_steps": 300,  # of each method; those in two stages take half of them in each
    "batch_size": 32,
    "learning_rate": 3e-4,
    "attention_weight": 0.0,
    "seeds": SEEDS,
    "sub_model": "2x0.25",
    "folds": True,
}

LONG_DOCUMENTS: dict[str, Any] = {
    "documents": 4000,
    "num_steps": 200,
    "tokens_a_step": 4096,
    "cut": 128,
    "longest": 4096,
    "window": 42,
    "short_share": 0.6,
    "sub_models": ["3x0.5", "3x0.5x0.25", "2x0.25", "2x0.25x0.25"],
    "learning_rate": 2e-4,
    "seeds": SEEDS,
    "folds": True,
}

LONG_QUESTIONS: dict[str, Any] = {
    "num_steps": 900,
    "batch_size": 18,  # two stories of each kind
    "learning_rate": 2e-4,
    "stories": 900,
    "sub_models": ["6x1", "3x0.5", "2x0.25"],
    "seeds": SEEDS,
}

LONG_GENERATION: dict[str, Any] = {
    "num_steps": 240,
    "batch_size": 16,
    "vocabulary": 6000,
    "reviews": 2500,
    "sub_models": ["6x1", "3x0.5", "2x0.25"],
    "texts": 8,
    "tokens": 80,
    "seeds": SEEDS,
}

LONG_CHINESE: dict[str, Any] = {
    "hidden_size": 192,
    "layers": 4,
    "heads": 6,
    "pre_training_steps": 400,
    "fine_tuning_steps": 200,
    "batch_size": 32,
    "max_length": 96,
    "learning_rate": 5e-4,
    "sub_models": ["4x1", "2x0.5", "1x0.25"],
    "seeds": [0, 1, 2, 3, 4],  # training from a random start fails for some
}

TWO_STAGES_JOINTLY: dict[str, Any] = {
    "depths": [3, 2],
    "widths": [0.5, 0.25],
    "unlabelled": 100_000,
    "inner_steps": 300,
    "soft_label_steps": 6000,
    "inner_learning_rate": 3e-4,
    "learning_rate": 3e-4,
    "batch_size": 32,
    "vocabulary": 12_000,
    "seeds": SEEDS,
    "folds": True,  # a seed has its own fold's test texts, and a teacher that has not seen them
}

HEADLINE: dict[str, Any] = {
    **TWO_STAGES_JOINTLY,
    "teacher": {"rank": 0, "learning_rate": 1e-4},  # rank 0: no adapter
}

# The soft labels come from a teacher of base size; inner states from the fold's own as before.
# A fold takes three quarters of an hour of two cores: one is recorded.
HEADLINE_MPNET: dict[str, Any] = {**HEADLINE, "soft_labels": "mpnet", "seeds": [0]}

# The first fold's own teacher learns MPNet's shipped soft labels: one pass over their sentences.
ASSISTANT: dict[str, Any] = {
    "student": "6x1",
    "teacher": HEADLINE_MPNET["teacher"],
    "unlabelled": 120_000,
    "num_steps": 3960,
    "learning_rate": 1e-4,
    "batch_size": 32,
    "folds": True,
    "seeds": ONE_SEED,
}

ABLATION: dict[str, Any] = {
    **TWO_STAGES_JOINTLY,
    "unlabelled": 20_000,
    "inner_steps": 60,
    "soft_label_steps": 320,
    "sub_models": ["3x0.5", "2x0.25"],
}

BASELINES: dict[str, Any] = {
    "labelled_reviews": [250, 500, 1000, 2000, 4000, 8000],  # and all of them
    # characters take ten times as long; they are tried where all texts are used
    "features_of_parts": ["words"],
    "seeds": SEEDS,
}

# These draw nothing at random, and so have no seeds.
TEACHER_ON_REVIEWS: dict[str, Any] = {
    "segment": 128,  # tokens that it reads at once
    "folds": True,
    "seeds": ONE_SEED,
}

TRIGRAM: dict[str, Any] = {"generation": LONG_GENERATION, "texts": 200}

TRIVIAL_ANSWERS: dict[str, Any] = {
    "training_stories": 1800,
    "training_seed": 2_000_000,
    "stories": LONG_QUESTIONS["stories"],
}

# The shipped language model, and trigrams of the very text that it was trained on.
WRITER: dict[str, Any] = {
    "training": {"num_steps": 3600, "batch_size": 8, "context": 256, "vocabulary": 6000},
    "sub_models": ["6x1", "4x1", "3x1", "2x0.5"],
    "texts": 300,  # of the test reviews, laid end to end
    "ordered_reviews": 250,
    "sentences": 4,  # that a review has at least, to be shuffled
    "long_texts": 20,
    "lengths": [512, 1000],
    "long_sub_models": ["6x1", "3x1"],
    "prompt": 16,
    "rare_from": 500,  # the number in the vocabulary from which a word counts as rare
    "top_p": 0.9,
    "seeds": ONE_SEED,
}

# The same size trained by itself without self-distillation, in as many steps as the joint run
# trained it in.
WRITER_ALONE: dict[str, Any] = {
    "writer": WRITER,
    "sub_model": "3x1",
    "num_steps": 1937,
    "seeds": ONE_SEED,
}

GRADIENT_AGREEMENT: dict[str, Any] = {
    "sub_models": ["6x1", "3x1", "2x1", "6x0.25", "3x0.5", "2x0.25"],
    "batches": 24,
    "batch_size": 32,
    "seeds": SEEDS,
    "folds": True,
}

CASCADE: dict[str, Any] = {
    "sub_models": NINE,
    "cascades": [["2x0.25", "3x0.5", "6x1"], ["2x0.25", "6x1"], ["3x0.5", "6x1"]],
    "entropies": [0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.69],  # nats; ln 2 = 0.693
    "targets": ["6x1", "3x1", "3x0.5"],
    "length": 32,  # tokens that FLOPs are counted for
    "exit_steps": 100,
    "exit_learning_rate": 1e-3,
    "batch_size": 32,
    "seeds": SEEDS,
    "folds": True,
}

MASKED_TOKENS: dict[str, Any] = {
    "pre_training": {name: value for name, value in LONG_CHINESE.items() if name != "seeds"},
    "texts": 600,
    "seeds": ONE_SEED,
}

# A small student with a pruned vocabulary and fixed embeddings, so that many repeats fit a quarter
# of an hour.
SMALL_STUDENT: dict[str, Any] = {"vocabulary": 8000, "length": 48, "fixed": ["embeddings"]}

STRATEGIES: dict[str, Any] = {
    **SMALL_STUDENT,
    "student": "2x0.25",
    "batch_size": 16,
    "num_steps": 400,
    "strategies": ["all_on", "constant_rate", "no_clipping", "no_weight_decay", "no_dropout"],
    "learning_rates": [3e-4, 1e-3, 3e-3],
    "warmup_share": 0.1,
    "weight_decay": 0.01,
    "dropout": 0.1,
    "seeds": [0, 1, 2, 3, 4],
}

# A student whose layers start at random, as TinyBERT's do, with the teacher's embeddings.
TWO_STAGES: dict[str, Any] = {
    "student": "3x0.5",
    "general_texts": 20_000,
    "general_steps": 400,
    "num_steps": 300,  # on the task's inner layers
    "prediction_steps": 300,
    "batch_size": 16,
    "learning_rate": 3e-4,
    "seeds": SEEDS,
    "folds": True,
}

SELF_DISTILLATION: dict[str, Any] = {
    **SMALL_STUDENT,
    "student": "2x0.5",
    "sub_models": ["2x1", "1x1", "2x0.5", "1x0.5"],  # of the student: widths are shares of its own
    "batch_size": 8,
    "num_steps": 400,
    "learning_rate": 3e-4,
    "look_every": 40,
    "watched_texts": 200,
    "seeds": SEEDS,
}

RECORDS: dict[str, dict[str, Any]] = {
    "headline": HEADLINE,
    "headline_mpnet": HEADLINE_MPNET,
    "assistant": ASSISTANT,
    "ablation": ABLATION,
    "joint_against_separate": LONG_JOINT,
    "joint_equal_updates": EQUAL_UPDATES,
    "stability": LONG_STABILITY,
    "training_methods": LONG_METHODS,
    "long_documents": LONG_DOCUMENTS,
    "questions": LONG_QUESTIONS,
    "generation": LONG_GENERATION,
    "chinese": LONG_CHINESE,
    "baselines": BASELINES,
    "teacher_on_reviews": TEACHER_ON_REVIEWS,
    "trigram": TRIGRAM,
    "writer": WRITER,
    "writer_alone": WRITER_ALONE,
    "trivial_answers": TRIVIAL_ANSWERS,
    "masked_tokens": MASKED_TOKENS,
    "gradient_agreement": GRADIENT_AGREEMENT,
    "cascade": CASCADE,
    "strategies": STRATEGIES,
    "self_distillation": SELF_DISTILLATION,
    "two_stages": TWO_STAGES,
}
