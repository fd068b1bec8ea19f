"""Long runs whose results the lectures show as records: `python benchmarks/records.py NAME [SEED ...]`, NAME of these:

joint_against_separate  one joint run against each of its nine sub-models trained alone, paired by seed (table 2)
joint_against_separate_longer  the same with 400 steps (joint: 360), the teacher's outputs computed once for all
stability               how sub-models are introduced, and whether the largest teaches the others (table 5)
training_methods        five ways to a small model (table 6)
long_documents          whole reviews: cut, windows, windowed attention, short first, dropped tokens (tables 8, 12)
questions               nine kinds of questions on stories of a world not seen in training (table 8)
generation              perplexity, variety, coherence and speed of what sub-models write (table 13)
ablation                the headline's recipe, shorter, with one of its parts left out at a time
chinese                 joint pre-training and joint fine-tuning against joint fine-tuning alone

Each seed's rows are kept under outputs/records/ as soon as they are there, so a killed run goes on. With seeds, only
these are run: several processes can share the work, and one without a seed then writes the record.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

from tinybert_l import begin
from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.course import experiments, recipes
from tinybert_l.course.experiments import (
    Bench,
    all_at_once,
    alone,
    fidelity,
    first,
    label_run,
    open_bench,
    short_run,
)
from tinybert_l.course.records import HIGH, LOW, write_record
from tinybert_l.exercises.lecture_09 import distinct_n
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import encode, load_reviews
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded, load_teacher, predict_logits
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.documents import DocumentRecipe, classify_documents, train_on_documents
from tinybert_l.tasks.generation import Writer, load_writer
from tinybert_l.tasks.pretraining import (
    ElasticBertForMaskedLM,
    character_tokenizer,
    classifier_from,
    load_chinese_reviews,
    masked_accuracy,
    pretrain_jointly,
)
from tinybert_l.tasks.questions import Reader, as_question, load_reader
from tinybert_l.tasks.squad import answer_f1, exact_match
from tinybert_l.tasks.stories import KINDS, TESTING, last_mentioned, make_stories
from tinybert_l.tasks.text_metrics import coherence, repetition, self_bleu
from tinybert_l.tasks.trigram import Trigram

OUTPUT = Path("outputs/records")
Row = dict[str, Any]


def long_bench(settings: Row) -> Bench:
    """The lectures' bench with more steps, and with all validation and test sentences held out."""
    bench = open_bench()
    test = load_teacher().data["test"]
    recipe = JointRecipe(
        num_steps=settings["num_steps"], batch_size=settings["batch_size"], checkpoint_every=10_000
    )
    held_out = first(test, len(test))
    return replace(
        bench,
        recipe=recipe,
        held_out=held_out,
        teacher_logits=predict_logits(bench.teacher, held_out),
    )


def right(
    bench: Bench, model: ElasticBertForSequenceClassification, sub_model: SubModel
) -> list[int]:
    """1 for each held-out sentence that is classified rightly, else 0."""
    predictions = predict_logits(model, bench.held_out, sub_model=sub_model).argmax(-1)
    return (predictions == torch.tensor(bench.held_out.labels)).int().tolist()


def joint_against_separate(seed: int, settings: Row) -> list[Row]:
    """Every sub-model, from the joint run and trained alone (for as many steps, or as the settings say); costs."""
    bench = long_bench(settings)
    changed = {
        name: settings[name] for name in ("learning_rate", "attention_weight") if name in settings
    }
    recipe = replace(bench.recipe, seed=seed, **changed)
    outputs = None
    if (
        not recipe.attention_weight
    ):  # all that is compared can be computed once, for the joint run as for the others
        outputs = keep_outputs(
            bench.teacher, bench.train, recipe.hidden_layers(bench.teacher.config.num_hidden_layers)
        )
    joint = replace(recipe, **settings.get("joint", {}))
    together = short_run(bench, joint, outputs=outputs)
    largest = max(map(SubModel.parse, settings["sub_models"]), key=lambda s: s.size)
    flops = {
        s.name: count_flops(extract(bench.teacher, s))
        for s in map(SubModel.parse, settings["sub_models"])
    }
    joint_flops = sum(
        flops[s.name] for step in range(joint.num_steps) for s in joint.participants(step)
    )
    rows = []
    for s in map(SubModel.parse, settings["sub_models"]):
        single = short_run(bench, alone(recipe, s), outputs=outputs)
        row: Row = {"name": s.label, "joint": right(bench, together.model, s)}
        row["separate"] = right(bench, single.model, s)
        row |= {
            "cost": single.seconds,
            "flops": flops[s.name] * recipe.num_steps,
            "largest": s == largest,
        }
        rows.append(row | {"joint cost": together.seconds, "joint flops": joint_flops})
    return rows


def summarise_joint(rows: list[list[Row]]) -> list[Row]:
    """Differences with paired bootstrap intervals over sentences and seeds; then what both ways cost."""
    found = []
    for same in zip(*rows, strict=True):
        joint, separate = (
            np.array([row[way] for row in same], float) for way in ("joint", "separate")
        )
        gap, low, high = bootstrap(joint - separate)
        found.append({
            "name 名称": same[0]["name"], "joint 联合 (%)": 100 * joint.mean(),
            "separate 单独 (%)": 100 * separate.mean(), "difference 差 (points)": gap, "low": low, "high": high,
        })  # fmt: skip
    whole = np.array(
        [[np.array(row["joint"]) - np.array(row["separate"]) for row in one] for one in rows], float
    )
    gap, low, high = bootstrap(whole.mean(1))
    found.append(
        {"name 名称": "mean 平均", "difference 差 (points)": gap, "low": low, "high": high}
    )
    for unit in ("flops", "cost"):
        one = [sum(row[f"joint {unit}"] for row in seed[:1]) for seed in rows]
        largest = [next(row[unit] for row in seed if row["largest"]) for seed in rows]
        all_alone = [sum(row[unit] for row in seed) for seed in rows]
        name = {"flops": "FLOPs of the forward passes 前向浮点运算", "cost": "seconds 秒"}[unit]
        found.append({
            "name 名称": f"joint run over the largest alone 联合/最大者单独: {name}", "ratio": mean(one) / mean(largest)
        })  # fmt: skip
        found.append({
            "name 名称": f"joint run over all alone 联合/全部单独: {name}", "ratio": mean(one) / mean(all_alone)
        })  # fmt: skip
    return found


def bootstrap(gaps: np.ndarray, draws: int = 2000) -> tuple[float, float, float]:
    """Mean and 95 % interval, in points, of paired differences [seeds, texts]: seeds and texts are drawn anew."""
    random, means = np.random.default_rng(0), []
    for _ in range(draws):
        texts = random.integers(0, gaps.shape[1], gaps.shape[1])
        means.append(gaps[random.integers(0, len(gaps), len(gaps))][:, texts].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return 100 * float(gaps.mean()), 100 * float(low), 100 * float(high)


def stability(seed: int, settings: Row) -> list[Row]:
    """Ways to introduce the sub-models: mean accuracy of all, the largest and the smallest; gradient norms."""
    bench = long_bench(settings)
    recipe = replace(bench.recipe, seed=seed, learning_rate=settings["learning_rate"])
    everyone, starts = recipe.sub_models(), [start for start, _ in recipe.stages]
    order = torch.randperm(len(everyone), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = [everyone[i] for i in order]  # as many open at each stage, but any of them
    counts = np.cumsum([0, *(len(group) for _, group in recipe.stages)])
    random_stages = tuple(
        (start, tuple(shuffled[a:b]))
        for start, (a, b) in zip(starts, pairwise(counts), strict=True)
    )
    variants = {
        "progressive, self-distillation 渐进，自蒸馏": recipe,
        "progressive, none 渐进，无自蒸馏": replace(recipe, self_distillation=False),
        "all at once, self-distillation 同时，自蒸馏": replace(
            recipe, stages=all_at_once(recipe.stages)
        ),
        "all at once, none 同时，无自蒸馏": replace(
            recipe, stages=all_at_once(recipe.stages), self_distillation=False
        ),
        "random order, self-distillation 随机次序，自蒸馏": replace(recipe, stages=random_stages),
    }
    rows = []
    for name, variant in variants.items():
        run = short_run(bench, variant)
        shares = [100 * mean(right(bench, run.model, s)) for s in everyone]
        norms = [row["gradient_norm"] for row in run.log]
        rows.append({
            "name": name, "mean of nine 九者平均 (%)": mean(shares), "smallest 最小 (%)": shares[0],
            "largest 最大 (%)": shares[-1], "largest gradient norm 最大梯度范数": max(norms),
            "curve": [mean(norms[i : i + 10]) for i in range(0, len(norms), 10)],
        })  # fmt: skip
    return rows


def training_methods(seed: int, settings: Row) -> list[Row]:
    """Rows of one seed: method, accuracy of the small sub-model."""
    bench = long_bench(settings)
    small, recipe = SubModel.parse(settings["sub_model"]), replace(bench.recipe, seed=seed)
    one = alone(recipe, small)
    logits_only = replace(one, hidden_weight=0, attention_weight=0, embedding_weight=0)
    inner_only: Row = {"soft_label_weight": 0.0, "self_distillation": False}

    def two_stages(stage: JointRecipe) -> Any:
        student = elastic_copy(bench.teacher)
        for part in (replace(stage, **inner_only), stage):
            run = short_run(bench, part, student)
            student = run.model
        return run

    methods: dict[str, Callable[[], Any]] = {
        "fine-tune a small model 微调小模型": lambda: label_run(bench, small, recipe),
        "distil logits only 只蒸馏logits": lambda: short_run(bench, logits_only),
        "TinyBERT, two stages 两阶段": lambda: two_stages(one),
        "joint fine-tuning 联合微调": lambda: short_run(bench, recipe),
        "joint, two stages 联合两阶段": lambda: two_stages(recipe),
    }
    return [
        {"name": name, **fidelity(bench, method().model, small)} for name, method in methods.items()
    ]


def long_documents(seed: int, settings: Row) -> list[Row]:
    """Accuracy on whole test reviews, and FLOPs a review, of ways to read them, trained with the same tokens a step."""
    tokenizer = load_teacher().tokenizer
    start = experiments.sorted_by_importance(load_teacher())
    reviews = load_reviews("imdb")
    train, test = reviews["train"].head(settings["documents"]), reviews["test"]
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    full = [s for s in sub_models if s.length == 1]
    joint: Row = {
        "num_steps": settings["num_steps"],
        "learning_rate": settings["learning_rate"],
        "seed": seed,
    }
    whole = ("windowed attention", settings["longest"], settings["window"])
    ways = {
        "cut": ("cut", settings["cut"], None, 0.0, full),
        "windows": ("windows", settings["cut"], None, 0.0, full),
        "windowed attention": (*whole, 0.0, full),
        "windowed attention, short first": (*whole, settings["short_share"], sub_models),
    }
    lengths = [
        len(ids) + 2
        for ids in tokenizer(test.texts, add_special_tokens=False, verbose=False)["input_ids"]
    ]
    rows = []
    for way, (how, length, window, short_share, taken) in ways.items():
        largest = max(taken, key=lambda s: s.size)
        stages = [(0.0, (largest,)), (0.1, tuple(s for s in full if s != largest))]
        if taken != full:  # they drop tokens: not before the documents are long
            stages += [(short_share, tuple(s for s in taken if s.length < 1))]
        loop = JointRecipe(tuple(stages), checkpoint_every=10_000, num_random=2, **joint)
        recipe = DocumentRecipe(
            how, length, window, settings["tokens_a_step"], loop, short_share, settings["cut"]
        )
        with tempfile.TemporaryDirectory() as folder:
            student = train_on_documents(start, tokenizer, train, recipe, Path(folder))
        for s in taken:
            logits = classify_documents(
                student, tokenizer, test.texts, how, s, settings["cut"], settings["window"]
            )
            hits = (logits.argmax(-1) == torch.tensor(test.labels)).int().tolist()
            cost = mean(review_flops(start, s, n, how, settings) for n in lengths) / 1e9
            rows.append(
                {"name": f"{s.label}, {way}", "right": hits, "GFLOPs a review 每篇浮点运算": cost}
            )
    return rows


def review_flops(
    model: ElasticBertForSequenceClassification, s: SubModel, tokens: int, how: str, settings: Row
) -> float:
    """Matrix products of reading one review, two operations per multiply-add; by hand, since windows vary."""
    config = model.config
    heads = max(1, round(config.num_attention_heads * s.width)) * (config.attention_head_size or 0)
    neurons = max(1, round(config.intermediate_size * s.width))
    room = settings["cut"]

    def layer(n: float, seen: float) -> float:
        return (
            2 * n * (4 * config.hidden_size * heads + 2 * config.hidden_size * neurons)
            + 4 * n * seen * heads
        )

    if how == "cut":
        n = min(tokens, room)
        return s.depth * layer(n, n)
    if how == "windows":  # each with a [CLS] and a [SEP] of its own
        whole, rest = divmod(tokens - 2, room - 2)
        last = layer(rest + 2, rest + 2) if rest else 0
        return s.depth * (whole * layer(room, room) + last)
    shares = (s.length ** (i / max(s.depth - 1, 1)) for i in range(s.depth))
    return sum(
        layer(tokens * share, min(3 * settings["window"] + 1, tokens * share)) for share in shares
    )


def summarise_documents(rows: list[list[Row]]) -> list[Row]:
    """Accuracy, and the differences, with interval, from two baselines with the same sub-model (its length aside)."""
    found = []
    by_name = {same[0]["name"]: same for same in zip(*rows, strict=True)}
    baselines = {
        "cut": "against cutting 与截断之差 (points)",
        "windows": "against windows 与窗口之差 (points)",
    }
    for name, same in by_name.items():
        hits = np.array([row["right"] for row in same], float)
        column = "GFLOPs a review 每篇浮点运算"
        row = {
            "name 名称": name,
            "accuracy 准确率 (%)": 100 * hits.mean(),
            column: mean(one[column] for one in same),
        }
        sub_model, _, way = name.partition(", ")
        for base, gap_column in baselines.items():
            if way in ("cut", base):
                continue
            same_size = by_name[f"{'×'.join(sub_model.split('×')[:2])}, {base}"]
            gap, low, high = bootstrap(hits - np.array([one["right"] for one in same_size], float))
            row |= {gap_column: gap, gap_column + LOW: low, gap_column + HIGH: high}
        found.append(row)
    return found


def questions(seed: int, settings: Row) -> list[Row]:
    """Exact match and F1 of each kind of question, in the world of testing."""
    loop: Row = {"learning_rate": settings["learning_rate"], "checkpoint_every": 200}
    reader: Reader = load_reader(settings["num_steps"], settings["batch_size"], seed, **loop)
    stories = make_stories(settings["stories"], 1_000_000, world=TESTING)
    rows = []
    for name in settings["sub_models"]:
        answers = reader.answer(stories, SubModel.parse(name))
        row: Row = {"name": SubModel.parse(name).label}
        for kind in KINDS:
            pairs = [
                (a, as_question(s).answers)
                for a, s in zip(answers, stories, strict=True)
                if s.kind == kind
            ]
            row[f"{kind}: EM (%)"] = 100 * mean(exact_match(*pair) for pair in pairs)
        row["all: EM (%)"] = mean(v for k, v in row.items() if k != "name")
        row["all: F1 (%)"] = 100 * mean(
            answer_f1(a, as_question(s).answers) for a, s in zip(answers, stories, strict=True)
        )
        rows.append(row)
    base: Row = {"name": "mentioned last 最后提到的"}
    for kind in KINDS:
        base[f"{kind}: EM (%)"] = 100 * mean(
            last_mentioned(s) == s.answer for s in stories if s.kind == kind
        )
    base["all: EM (%)"] = base["all: F1 (%)"] = mean(v for k, v in base.items() if k != "name")
    return [*rows, base]


def generation(seed: int, settings: Row) -> list[Row]:
    """What each sub-model writes, under the metrics of lecture 9; speeds are those of this run, alternating."""
    writer = load_writer(
        settings["num_steps"],
        settings["batch_size"],
        settings["vocabulary"],
        seed,
        settings["reviews"],
    )
    encoder, tokenizer = load_embedded()
    held_out = writer.held_out[:200]
    prompts = [row[:8].tolist() for row in writer.held_out[-settings["texts"] :]]
    ways = {"greedy 贪心": Decoding(0), "top-p 0.9": Decoding(0.9, top_p=0.9)}
    ways["top-p 0.9, penalty 1.2 重复惩罚"] = Decoding(0.9, top_p=0.9, repetition_penalty=1.2)
    rows = []

    def row(name: str, texts: Sequence[Sequence[int]], perplexity: float, seconds: float) -> Row:
        words = [writer.decode(text) for text in texts]
        return {
            "name": name, "perplexity 困惑度": perplexity, "distinct-2": mean(distinct_n(list(t), 2) for t in texts),
            "repetition 重复率": mean(map(repetition, texts)), "self-BLEU 自BLEU": self_bleu(texts),
            "coherence 连贯": coherence(words, encoder, tokenizer),
            "tokens a second 每秒词元": len(texts) * settings["tokens"] / seconds if seconds else float("nan"),
        }  # fmt: skip

    for s in map(SubModel.parse, settings["sub_models"]):
        perplexity = writer.perplexity(held_out, s)
        for name, decoding in ways.items():
            texts, seconds = written(writer, prompts, settings["tokens"], decoding, s, seed)
            rows.append(row(f"{s.label}, {name}", texts, perplexity, seconds))
    small = SubModel.parse(settings["sub_models"][-1])
    largest = writer.perplexity(held_out)
    for name in ("greedy 贪心", "top-p 0.9"):
        begun, texts, kept = time.perf_counter(), [], []
        for number, prompt in enumerate(prompts):
            text, accepted = draft_and_verify(
                writer.model, prompt, settings["tokens"], small, 3, ways[name], seed * 1000 + number
            )
            texts.append(text)
            kept.append(accepted)
        drafted = row(f"6×1, {name}, drafted 起草", texts, largest, time.perf_counter() - begun)
        rows.append(drafted | {"drafts that stayed 保留的草稿 (%)": 100 * mean(kept)})
    texts, seconds = written(
        writer, prompts[:4], settings["tokens"], Decoding(0), SubModel(6), seed, use_cache=False
    )
    rows.append(row("6×1, greedy 贪心, no KV cache 无缓存", texts, largest, 0))
    rows[-1]["tokens a second 每秒词元"] = len(texts) * settings["tokens"] / seconds
    counts = Trigram(writer.held_out[200:], len(writer.vocabulary))
    texts = [counts.write(p, settings["tokens"], n) for n, p in enumerate(prompts)]
    rows.append(row("trigram 三元组", texts, counts.perplexity(held_out[:20]), 0))
    human = [r.tolist() for r in writer.held_out[-settings["texts"] :]]
    rows.append(row("human 人", human, float("nan"), 0))
    return rows


def written(
    writer: Writer,
    prompts: Sequence[list[int]],
    tokens: int,
    decoding: Decoding,
    sub_model: SubModel,
    seed: int,
    use_cache: bool = True,
) -> tuple[list[list[int]], float]:
    """Texts, and the seconds that they took."""
    begun = time.perf_counter()
    texts = [
        list(
            stream(
                writer.model, prompt, tokens, decoding, sub_model, seed * 1000 + number, use_cache
            )
        )
        for number, prompt in enumerate(prompts)
    ]
    return texts, time.perf_counter() - begun


def chinese(seed: int, settings: Row) -> list[Row]:
    """Sentiment of Chinese reviews: with joint pre-training by masked language modelling, and without."""
    reviews = load_chinese_reviews()
    tokenizer = character_tokenizer(reviews["train"].texts)
    data = {
        name: encode(split, tokenizer, settings["max_length"]) for name, split in reviews.items()
    }
    config = ElasticBertConfig(
        vocab_size=len(tokenizer), hidden_size=settings["hidden_size"], num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"], intermediate_size=4 * settings["hidden_size"],
        max_position_embeddings=settings["max_length"], pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    stages = ((0.0, (sub_models[0],)), (0.1, tuple(sub_models[1:])))
    common: Row = {
        "stages": stages,
        "batch_size": settings["batch_size"],
        "seed": seed,
        "checkpoint_every": 10_000,
    }
    common["learning_rate"] = settings["learning_rate"]
    pre_training = JointRecipe(num_steps=settings["pre_training_steps"], **common)
    fine_tuning = JointRecipe(num_steps=settings["fine_tuning_steps"], **common)
    with tempfile.TemporaryDirectory() as folder:
        model = pretrain_jointly(config, data["train"], tokenizer, pre_training, Path(folder))
    torch.manual_seed(seed)
    starts = {
        "joint pre-training 联合预训练": model,
        "none 无预训练": ElasticBertForMaskedLM(config),
    }
    rows = []
    for name, start in starts.items():
        torch.manual_seed(seed)
        student = fine_tuned(classifier_from(start), data["train"], fine_tuning)
        for s in sub_models:
            hits = predict_logits(student, data["test"], sub_model=s).argmax(-1) == torch.tensor(
                data["test"].labels
            )
            named = 100 * masked_accuracy(start, first(data["test"], 600), tokenizer, s)
            rows.append(
                {
                    "name": f"{s.label}, {name}",
                    "right": hits.int().tolist(),
                    "masked tokens named (%)": named,
                }
            )
    return rows


def fine_tuned(
    student: ElasticBertForSequenceClassification, data: Any, recipe: JointRecipe
) -> Any:
    """The student, trained jointly on labels."""
    batches = experiments.training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = experiments.collate(data, batches[step], student.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return student(**inputs, sub_model=sub_model).logits, batch["labels"]

    with tempfile.TemporaryDirectory() as folder:
        train_on_labels(student, predict, recipe, Path(folder), "fine-tuning 微调")
    return student


def summarise_chinese(rows: list[list[Row]]) -> list[Row]:
    """Accuracy, and what pre-training adds, with interval."""
    by_name = {same[0]["name"]: same for same in zip(*rows, strict=True)}
    found = []
    for name, same in by_name.items():
        hits = np.array([row["right"] for row in same], float)
        row = {"name 名称": name, "accuracy 准确率 (%)": 100 * hits.mean()}
        row["masked tokens named 说对的遮蔽字 (%)"] = mean(
            one["masked tokens named (%)"] for one in same
        )
        sub_model, how = name.split(", ")
        if not how.startswith("none"):
            base = by_name[f"{sub_model}, none 无预训练"]
            gap, low, high = bootstrap(hits - np.array([one["right"] for one in base], float))
            row |= {"gain 增益 (points)": gap, "low": low, "high": high}
        found.append(row)
    return found


def ablation(seed: int, settings: Row) -> list[Row]:
    """Test accuracy of sub-models without one part of the recipe of benchmarks/headline.py."""
    import headline

    teacher, taken = load_teacher(), [SubModel.parse(name) for name in settings["sub_models"]]
    all_steps = settings["inner_steps"] + settings["soft_label_steps"]
    variants: dict[str, Row] = {
        "all parts 全部": {},
        "soft labels only 只用软标签": {"inner_steps": 0, "soft_label_steps": all_steps},
        "no unlabelled text 无无标注文本": {"unlabelled": 0},
        "no order of importance 无重要性排序": {"sorted": False},
        "no self-distillation 无自蒸馏": {"self_distillation": False},
        "whole vocabulary 完整词表": {"vocabulary": None},
        "the smallest alone 最小者单独": {"depths": [2], "widths": [0.25]},
    }
    rows = []
    for name, change in variants.items():
        with tempfile.TemporaryDirectory() as folder:
            student, tokenizer = headline.train(teacher, {**settings, **change}, seed, Path(folder))
        data = encode(load_reviews()["test"], tokenizer, 64)
        row: Row = {"name": name}
        for s in taken if "depths" not in change else taken[-1:]:
            hits = predict_logits(student, data, sub_model=s).argmax(-1) == torch.tensor(
                data.labels
            )
            row[s.label] = hits.int().tolist()
        rows.append(row)
    return rows


def summarise_ablation(rows: list[list[Row]]) -> list[Row]:
    """Accuracy of each variant, and the difference from the whole recipe, with interval."""
    found = []
    whole = [row[0] for row in rows]
    for same in zip(*rows, strict=True):
        row: Row = {"name 名称": same[0]["name"]}
        for label in (key for key in same[0] if key != "name"):
            hits, base = (np.array([one[label] for one in group], float) for group in (same, whole))
            row[f"{label} (%)"] = 100 * hits.mean()
            if same[0] is not rows[0][0]:
                gap, low, high = bootstrap(hits - base)
                row |= {
                    f"{label}: difference 差": gap,
                    f"{label}: low": low,
                    f"{label}: high": high,
                }
        found.append(row)
    return found


def means(rows: list[list[Row]]) -> list[Row]:
    """Mean and spread over seeds of every number that a row has; of a curve, the mean curve."""
    summary = []
    for same in zip(*rows, strict=True):
        row: Row = {"name 名称": same[0]["name"]}
        for column in (c for c in same[0] if c != "name"):
            values = [one[column] for one in same]
            if any(value != value for value in values):  # NaN: this row has no such number
                continue
            if isinstance(values[0], list):
                row[column] = [mean(step) for step in zip(*values, strict=True)]
            else:
                row |= {column: mean(values), f"{column} ± (sd over seeds)": stdev(values)}
        summary.append(row)
    return summary


Job = tuple[Callable[[int, Row], list[Row]], Row, Callable[[list[list[Row]]], list[Row]]]
JOBS: dict[str, Job] = {
    "joint_against_separate": (joint_against_separate, recipes.LONG_JOINT, summarise_joint),
    "joint_against_separate_longer": (
        joint_against_separate,
        recipes.LONGER_JOINT,
        summarise_joint,
    ),
    "stability": (stability, recipes.LONG_STABILITY, means),
    "training_methods": (training_methods, recipes.LONG_METHODS, means),
    "long_documents": (long_documents, recipes.LONG_DOCUMENTS, summarise_documents),
    "questions": (questions, recipes.LONG_QUESTIONS, means),
    "generation": (generation, recipes.LONG_GENERATION, means),
    "ablation": (ablation, recipes.ABLATION, summarise_ablation),
    "chinese": (chinese, recipes.LONG_CHINESE, summarise_chinese),
}


def kept_rows(name: str, seed: int) -> list[Row]:
    """A seed's rows; run where no earlier run has kept them."""
    job, settings, _ = JOBS[name]
    kept = OUTPUT / f"{name}-{recipe_hash(settings)}-{seed}.json"
    if not kept.is_file():
        write_atomically(kept, json.dumps(job(seed, settings), ensure_ascii=False))
    return json.loads(kept.read_text(encoding="utf-8"))


def main(name: str, seeds: list[int]) -> None:
    _, settings, summarise = JOBS[name]
    rows = [kept_rows(name, seed) for seed in seeds or settings["seeds"]]
    if not seeds:
        print(write_record(name, f"python benchmarks/records.py {name}", settings, summarise(rows)))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in JOBS:
        sys.exit(f"{__doc__}\nGiven: {sys.argv[1:]}; allowed: one of {', '.join(JOBS)}.")
    begin(1, demo=True)
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
