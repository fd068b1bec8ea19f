"""What was hoped for, record by record, judged by the one rule of `tinybert_l.course.evidence`.

A hope names its record, row, field and margin; its answer is computed. `tools/make_results.py`
writes them down. Hopes are English, like that page.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tinybert_l.course import captions, evidence
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import Better, ClaimVerdict, Evidence
from tinybert_l.course.records import Record, benchmark_records, read_record
from tinybert_l.course.rows import (
    AblationRow,
    AuthorRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DeployRow,
    DocumentRow,
    GradientAgreementRow,
    HeadlineRow,
    JointCostRow,
    LongTextRow,
    MaskedTokenRow,
    PeerRow,
    PerplexityRow,
    QuestionRow,
    ReadingSpeedRow,
    Row,
    Runtime,
    SelfDistillationRow,
    StepRow,
    StrategyRow,
    TrainingMethodRow,
    TrivialAnswerRow,
    TwoStagesRow,
)
from tinybert_l.submodels import SubModel

R = TypeVar("R", bound=Row)


def answers() -> Iterator[tuple[str, ClaimVerdict]]:
    """Judge every hope of every record and benchmark, each with the name of its source."""
    for name in RECORDS:
        record = read_record(name)
        if record is not None:
            for verdict in ANSWERS[record.kind](record):
                yield name, verdict
    for name, record in benchmark_records().items():
        if record.kind in BENCHMARK_ANSWERS:
            for verdict in BENCHMARK_ANSWERS[record.kind](record):
                yield f"benchmark {name}", verdict


def judged(
    hope: str, proof: Evidence, margin: float = 0.0, better: Better = "larger"
) -> ClaimVerdict:
    """Judge a hope; the page is in English alone."""
    return evidence.judge(hope, hope, proof, margin, better=better)


def rows_of(record: Record, row_type: type[R]) -> list[R]:
    """The record's rows of one type, in their order."""
    return [row for row in record.rows if isinstance(row, row_type)]


def the_row(rows: Iterable[R], **identifiers: Any) -> R:
    """The one row whose fields have these values."""
    (row,) = (
        row
        for row in rows
        if all(getattr(row, name) == value for name, value in identifiers.items())
    )
    return row


def answers_of_headline(record: Record) -> Iterator[ClaimVerdict]:
    """What was hoped for of sub-models; of a run with another teacher, what that one brings."""
    if record.name == "headline":
        yield from what_the_choice_reaches(record)
        yield from what_the_smallest_reaches(record)
    else:
        yield from gains_by_mpnet(record)


def what_the_choice_reaches(record: Record) -> Iterator[ClaimVerdict]:
    """Whether what validation chose is as good, fast and small as was hoped for."""
    goals = (
        ("chosen_small", "the teacher's speed", 97.0, 15.0, "times_faster"),
        ("chosen_same_runtime", "in its runtime", 96.8, 8.0, "same_runtime_times_faster"),
    )
    for role, words, kept, speed, field in goals:
        row = the_row(rows_of(record, HeadlineRow), role=role)
        goal = f"≥ {speed:g}× {words}"
        if row.kept_percent is None:
            continue  # none is fast enough, as the answers for the smallest say
        chosen = ", ".join(model.label for model in row.models)
        yield judged(
            f"{chosen}: ≥ {kept:g} % of the teacher's accuracy",
            evidence.from_record(record.name, "kept_percent", row),
            kept,
        )
        for batch in (1, 32):
            faster = evidence.from_record(record.name, f"{field}_batch_{batch}", row)
            yield judged(f"{chosen}: {goal}, batch {batch}", faster, speed)
        if role == "chosen_small":
            smaller = evidence.from_record(record.name, "times_smaller", row)
            yield judged(f"{chosen}: ≥ 10× smaller", smaller, 10.0)


def what_the_smallest_reaches(record: Record) -> Iterator[ClaimVerdict]:
    """Whether the smallest sub-model is as good, fast and small as was hoped for."""
    hopes: dict[Runtime, tuple[tuple[str, float, str], ...]] = {
        "ONNX int8": (
            ("accuracy_percent", 82.5, "accuracy ≥ 82.5 %"),
            ("times_faster_batch_1", 20.0, "≥ 20× the teacher's speed, batch 1"),
            ("times_faster_batch_32", 20.0, "≥ 20× the teacher's speed, batch 32"),
            ("times_smaller", 13.0, "≥ 13× smaller"),
        ),
        "ONNX float32": (
            ("same_runtime_times_faster_batch_1", 8.0, "≥ 8× in its runtime, batch 1"),
            ("same_runtime_times_faster_batch_32", 8.0, "≥ 8× in its runtime, batch 32"),
        ),
    }
    for row in rows_of(record, HeadlineRow):
        if row.role != "candidate" or row.models[0].sub_model != SubModel(2, 0.25):
            continue
        for field, margin, words in hopes.get(row.models[0].runtime, ()):
            found = evidence.from_record(record.name, field, row)
            yield judged(f"{row.models[0].label}: {words}", found, margin)


def gains_by_mpnet(record: Record) -> Iterator[ClaimVerdict]:
    """Whether a larger teacher's soft labels teach a sub-model more; none without that teacher."""
    for row in rows_of(record, HeadlineRow):
        if row.gain_points is not None and row.models[0].runtime == "torch float32":
            gain = evidence.from_record(record.name, "gain_points", row)
            sub_model = row.models[0].sub_model.label
            yield judged(f"{sub_model} learns more from a teacher five times as large", gain)


def answers_of_ablation(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, AblationRow):
        variant = captions.caption("variant", row.variant).en
        for name in row.difference_points or {}:
            gap = evidence.from_record(record.name, "difference_points", row, key=name)
            hope = f"{SubModel.parse(name).label} is worse with {variant}"
            yield judged(hope, gap, better="smaller")


def answers_of_assistant(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, HeadlineRow):
        if row.gain_points is not None:
            gap = evidence.from_record(record.name, "gain_points", row)
            hope = f"{row.models[0].label} gains by MPNet's soft labels"
            yield judged(hope, gap)
            yield judged("its accuracy is at least two points higher", gap, 2.0)


def answers_of_joint(record: Record) -> Iterator[ClaimVerdict]:
    gap = evidence.from_record(record.name, "difference_points", kind="joint_mean_gap")
    if record.name == "joint_equal_updates":
        yield judged("joint is better than each alone with as few updates, on average", gap)
        return
    yield judged("joint within 0.5 points of each trained alone, on average", gap, -0.5)
    for compared_with, limit in (("largest_alone", 1.6), ("all_alone", 0.5)):
        others = "the largest alone" if compared_with == "largest_alone" else "all alone"
        for unit, words in (("forward_flops", "FLOPs of the forward passes"), ("seconds", "time")):
            rows = rows_of(record, JointCostRow)
            row = the_row(rows, compared_with=compared_with, unit=unit)
            ratio = evidence.from_record(record.name, "ratio", row)
            hope = f"joint at most {limit} times the {words} of training {others}"
            yield judged(hope, ratio, limit, "smaller")


def answers_of_stability(record: Record) -> Iterator[ClaimVerdict]:
    progressive = {"schedule": "progressive", "self_distillation": True}
    at_once = {"schedule": "all_at_once", "self_distillation": True}
    plain = {"schedule": "progressive", "self_distillation": False}

    def gap(field: str, other: dict[str, Any]) -> Evidence:
        return evidence.difference(record.name, field, progressive, other)

    better = gap("mean_accuracy_percent", at_once)
    yield judged("step by step is better than all at once (mean of nine)", better)
    smaller = gap("largest_gradient_norm", at_once)
    hope = "step by step has smaller gradients than all at once (largest norm)"
    yield judged(hope, smaller, better="smaller")
    helped = gap("mean_accuracy_percent", plain)
    yield judged("self-distillation makes sub-models better (mean of nine)", helped)


def answers_of_methods(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, TrainingMethodRow):
        if row.against_soft_labels_points is not None:
            gap = evidence.from_record(record.name, "against_soft_labels_points", row)
            yield judged(f"{captions.label(row)}: better than soft labels alone", gap)


def answers_of_documents(record: Record) -> Iterator[ClaimVerdict]:
    baselines = {
        "against_cutting_points": "cutting",
        "against_windows_points": "averaged windows",
        "against_bag_points": "a bag of words of the same texts",
    }
    for field, baseline in baselines.items():
        for row in rows_of(record, DocumentRow):
            if getattr(row, field) is not None:
                gap = evidence.from_record(record.name, field, row)
                yield judged(f"{captions.label(row)}: better than {baseline}", gap)


def size_of_reader(row: QuestionRow) -> tuple[float, int]:
    """Sorts question rows by the size of their sub-model."""
    return (0.0, 0) if row.sub_model is None else row.sub_model.size


def answers_of_questions(record: Record) -> Iterator[ClaimVerdict]:
    largest = max(rows_of(record, QuestionRow), key=size_of_reader)
    name = captions.caption("author", "last_mentioned").en
    for kind in largest.exact_match_percent:
        gap = evidence.difference(
            record.name, "exact_match_percent", largest, {"sub_model": None}, key=kind
        )
        yield judged(f"{captions.label(largest)} answers better than “{name}”: {kind}", gap)


def answers_of_generation(record: Record) -> Iterator[ClaimVerdict]:
    largest = max_sub_model(record)

    def speed(decoding: str, other: dict[str, bool], **row: bool) -> Evidence:
        usual = {"sub_model": largest, "decoding": decoding, "drafted": False, "kv_cache": True}
        rows = {**usual, **row}, {**usual, **other}
        return evidence.ratio(record.name, "tokens_per_second", *rows)

    yield judged("a KV cache is faster", speed("greedy", {"kv_cache": False}), 1.0)
    for decoding in ("greedy", "top_p"):
        words = captions.caption("decoding", decoding).en
        faster = speed(decoding, {}, drafted=True)
        yield judged(f"drafts by a sub-model are faster ({words})", faster, 1.0)


def answers_of_chinese(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, ChineseRow):
        if row.gain_points is not None:
            gain = evidence.from_record(record.name, "gain_points", row)
            yield judged(f"joint pre-training helps {row.sub_model.label}", gain)


def answers_of_baselines(record: Record) -> Iterator[ClaimVerdict]:
    """Bags of words, and the teacher on reviews, against the bag that learned from sentences."""
    for row in rows_of(record, BaselineRow):
        bag = {"task": row.task, "model": "bag_of_words", "labelled_reviews": 0}
        if row.model == "teacher":
            reading = captions.caption("reading", row.reading).en
            hope = f"whole reviews: the teacher ({reading}) is better than a bag of its sentences"
        elif row.model == "bag_of_words" and row.labelled_reviews:
            words = "whole reviews" if row.task == "reviews" else "sentences"
            hope = f"{words}: {row.labelled_reviews:,} labelled reviews teach a bag of words more "
            hope += "than the sentences do"
        else:
            continue
        gap = evidence.difference(
            record.name, "accuracy_percent", row, bag, other_record="baselines"
        )
        yield judged(hope, gap)


def answers_of_trigram(record: Record) -> Iterator[ClaimVerdict]:
    counted = {"author": "trigram", "blocks_read": max}
    for row in rows_of(record, PerplexityRow):
        if row.sub_model is not None:
            gap = evidence.difference(record.name, "perplexity", row, counted)
            hope = f"{captions.label(row)} predicts better than trigrams of the same text"
            yield judged(f"{hope} (perplexity)", gap, better="smaller")


def answers_of_writer(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, AuthorRow):
        words = captions.label(row)
        order = evidence.from_record(record.name, "order_nats", row)
        yield judged(f"{words} notices that a human's sentences were shuffled", order)
        if row.below_trigram_percent is not None:
            gain = evidence.from_record(record.name, "below_trigram_percent", row)
            yield judged(f"{words}: perplexity ≥ 25 % below trigrams of the same text", gain, 25.0)
    for text in rows_of(record, LongTextRow):
        if text.sub_model is not None:
            human = {"author": "human", "tokens": text.tokens}
            for field, (words, better) in LONG_TEXTS.items():
                gap = evidence.difference(record.name, field, text, human)
                yield judged(f"{captions.label(text)}: {words}", gap, better=better)


def answers_of_writer_alone(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, AuthorRow):
        if row.sub_model is None:
            continue
        joint = {"author": "sub_model", "sub_model": row.sub_model}
        gap = evidence.difference("writer", "loss_nats", joint, row, other_record=record.name)
        hope = f"{row.sub_model.label} of the joint run predicts at most 0.05 nats worse than alone"
        yield judged(hope, gap, 0.05, better="smaller")


LONG_TEXTS: dict[str, tuple[str, Better]] = {
    "repetition_percent": ("more repetition at the end than in a human's text", "larger"),
    "returning_percent": ("fewer rare words of the beginning return than a human's", "smaller"),
}


def answers_of_trivial_answers(record: Record) -> Iterator[ClaimVerdict]:
    questions = read_record("questions")
    if questions is None:
        return
    largest = max(rows_of(questions, QuestionRow), key=size_of_reader)
    for row in rows_of(record, TrivialAnswerRow):
        gap = evidence.difference(
            "questions",
            "exact_match_percent",
            largest,
            row,
            key=row.question,
            other_record=record.name,
        )
        rule = captions.caption("rule", row.rule).en.replace("{word}", row.word or "")
        hope = f"{captions.label(largest)} answers better than {rule}: {row.question}"
        yield judged(hope, gap)


def answers_of_masked_tokens(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, MaskedTokenRow):
        if row.model == "pretrained":
            gap = evidence.from_record(record.name, "against_most_frequent_points", row)
            hope = f"{captions.label(row)}: names more hidden tokens than the most frequent one"
            yield judged(hope, gap)


def answers_of_agreement(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, GradientAgreementRow):
        cosine = evidence.from_record(record.name, "cosines", row)
        yield judged(f"gradients of {captions.label(row)} agree (mean cosine)", cosine)


def answers_of_cascade(record: Record) -> Iterator[ClaimVerdict]:
    goals = {"cost": ("better than", 0.0), "accuracy": ("within 0.5 points of", -0.5)}
    for row in rows_of(record, CascadeRow):
        if row.goal is None or row.target is None:
            continue
        words, margin = goals[row.goal]
        names = " → ".join(sub_model.label for sub_model in row.sub_models)
        method = captions.caption("exit_method", row.method).en
        hope = f"{method} {names}, {row.gflops.mean:.3f} GFLOPs: {words} {row.target.label} alone"
        alone = {"method": "single", "sub_models": (row.target,)}
        yield judged(hope, evidence.difference(record.name, "accuracy_percent", row, alone), margin)


def answers_of_two_stages(record: Record) -> Iterator[ClaimVerdict]:
    rows = {row.way: row for row in rows_of(record, TwoStagesRow)}
    both = rows["general_then_task"]
    for way in ("task_only", "task_for_longer", "general_then_labels"):
        other = captions.caption("way_to_student", way).en
        gap = evidence.difference(record.name, "accuracy_percent", both, rows[way])
        yield judged(f"two stages are more accurate than: {other}", gap)
    from_slices = rows["slices_of_the_teacher"]
    gap = evidence.difference(record.name, "accuracy_percent", from_slices, both)
    yield judged("the teacher's slices, task only, are more accurate than two stages", gap)


def answers_of_strategies(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, StrategyRow):
        if row.difference_points is not None:
            words = captions.caption("strategy", row.strategy).en
            gap = evidence.from_record(record.name, "difference_points", row)
            yield judged(f"accuracy is lower with {words}", gap, better="smaller")
            gap = evidence.from_record(record.name, "difference_nats", row)
            yield judged(f"test loss is higher with {words}", gap)


def answers_of_self_distillation(record: Record) -> Iterator[ClaimVerdict]:
    for row in rows_of(record, SelfDistillationRow):
        if row.difference_points is not None:
            gap = evidence.from_record(record.name, "difference_points", row)
            yield judged(f"self-distillation makes {row.sub_model.label} better", gap)


# by kind of record
ANSWERS: dict[str, Callable[[Record], Iterator[ClaimVerdict]]] = {
    "headline": answers_of_headline,
    "assistant": answers_of_assistant,
    "ablation": answers_of_ablation,
    "joint_against_separate": answers_of_joint,
    "stability": answers_of_stability,
    "training_methods": answers_of_methods,
    "long_documents": answers_of_documents,
    "questions": answers_of_questions,
    "generation": answers_of_generation,
    "chinese": answers_of_chinese,
    "baselines": answers_of_baselines,
    "trigram": answers_of_trigram,
    "writer": answers_of_writer,
    "writer_alone": answers_of_writer_alone,
    "trivial_answers": answers_of_trivial_answers,
    "masked_tokens": answers_of_masked_tokens,
    "gradient_agreement": answers_of_agreement,
    "cascade": answers_of_cascade,
    "strategies": answers_of_strategies,
    "two_stages": answers_of_two_stages,
    "self_distillation": answers_of_self_distillation,
}


def benchmark_ratio(record: Record, row: Row, other: Row) -> Evidence:
    """How many times as long a row takes as another."""
    return evidence.ratio(f"benchmarks/{record.name}", "duration_ms", row, other)


def answers_of_deploy(record: Record) -> Iterator[ClaimVerdict]:
    rows = rows_of(record, DeployRow)
    teacher = the_row(rows, model=None)
    for row in rows:
        if row.model is not None and row.model.runtime == "ONNX int8":
            batch = record.details["batch"]
            hope = f"{captions.label(row)}: ≥ 15× the teacher's speed, batch {batch}"
            yield judged(hope, benchmark_ratio(record, teacher, row), 15.0)


def answers_of_first_use(record: Record) -> Iterator[ClaimVerdict]:
    seconds = evidence.from_record(f"benchmarks/{record.name}", "seconds")
    hope = "the first joint step comes within 30 seconds of an empty cache"
    yield judged(hope, seconds, 30.0, "smaller")


def answers_of_step(record: Record) -> Iterator[ClaimVerdict]:
    rows = rows_of(record, StepRow)
    hope = "a joint step is at least twice as fast as the plain loop's"
    yield judged(hope, benchmark_ratio(record, rows[0], rows[-1]), 2.0)
    memory = record.details["peak_memory_mb"]["joint"]
    hope = f"a joint run takes less than 2.5 GB (one run: {memory / 1000:.2f} GB)"
    yield evidence.no_record(hope, hope, "多次运行的内存", "the memory of several runs")


def answers_of_peers(record: Record) -> Iterator[ClaimVerdict]:
    rows = rows_of(record, PeerRow)
    ours = the_row(rows, contestant="ours_joint")
    for row in rows:
        if row is not ours:
            name = captions.caption("contestant", row.contestant).en
            hope = f"1.5 times as many sub-models·examples a second as {name}"
            yield judged(hope, benchmark_ratio(record, row, ours), 1.5)


def answers_of_reading(record: Record) -> Iterator[ClaimVerdict]:
    """Every row reads as many tokens, in documents of another length."""
    rows = rows_of(record, ReadingSpeedRow)
    lengths = sorted({row.length for row in rows})
    for row in rows:
        if row.attention == "windowed" and row.length == lengths[-1]:
            short = the_row(
                rows, attention=row.attention, sub_model=row.sub_model, length=lengths[0]
            )
            name = captions.reading_words(row, "en")
            hope = (
                f"{name}: a token at {lengths[-1]:,} takes at most 1.3 times that at {lengths[0]}"
            )
            yield judged(hope, benchmark_ratio(record, row, short), 1.3, "smaller")


def answers_of_writing(record: Record) -> Iterator[ClaimVerdict]:
    usual = {"sub_model": max_sub_model(record), "decoding": "greedy", "drafted": False}
    proof = evidence.ratio(
        f"benchmarks/{record.name}",
        "duration_ms",
        {**usual, "kv_cache": False},
        {**usual, "kv_cache": True},
    )
    yield judged("a KV cache is faster", proof, 1.0)


def max_sub_model(record: Record) -> SubModel:
    """The largest sub-model of a record."""
    sub_models = [getattr(row, "sub_model", None) for row in record.rows]
    return max((part for part in sub_models if part), key=lambda sub_model: sub_model.size)


# by kind of benchmark
BENCHMARK_ANSWERS: dict[str, Callable[[Record], Iterator[ClaimVerdict]]] = {
    "deploy": answers_of_deploy,
    "first_use": answers_of_first_use,
    "joint_step": answers_of_step,
    "peers": answers_of_peers,
    "reading_speed": answers_of_reading,
    "generation_speed": answers_of_writing,
}
