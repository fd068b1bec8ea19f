"""The one rule by which this course decides: a verdict is computed from a record, never from a run.

A claim names a margin. Evidence is a number with its 95 % interval, and comes from a record under
results/ or from a counting function. Then the claim::

    holds              the whole interval lies beyond the margin,
    does not hold      the whole interval lies on the other side,
    undecided          the interval holds the margin,
    holds if …         beyond the margin, under a condition, which is printed,
    cannot be decided  there is no record, or it keeps one number without any spread.

A cell of verdicts looks like this::

    from tinybert_l.course import evidence
    from tinybert_l.course.records import save_verdicts
    from tinybert_l.method.evaluation import count_parameters

    gap = evidence.from_record(
        "joint_against_separate", "difference_points", kind="joint_mean_gap"
    )
    windows = evidence.from_record(
        "long_documents", "against_cutting_points", sub_model="3x0.5", reading="windows"
    )
    progressive = {"schedule": "progressive", "self_distillation": True}
    at_once = {"schedule": "all_at_once", "self_distillation": True}
    stable = evidence.difference("stability", "largest_gradient_norm", progressive, at_once)
    smaller = evidence.ratio_of_counts(
        evidence.counted(count_parameters, teacher, part=0),
        evidence.counted(count_parameters, student, part=0),
    )
    save_verdicts(2, [
        evidence.judge("提高了泛化能力", "generalises better", gap, margin=0.0),
        evidence.judge("擅长长文档", "good at long documents", windows, margin=0.0),
        evidence.judge("更稳定", "more stable", stable, margin=0.0, better="smaller"),
        evidence.judge(
            "显著减少参数量", "far fewer parameters", smaller, margin=2.0,
            condition_zh="词嵌入也算在内", condition_en="embeddings are counted",
        ),
        evidence.no_record(
            "在更多领域发挥作用", "useful in further fields",
            "其他领域的数据与基线", "data and baselines of other fields",
        ),
    ])

`gap.mean`, `gap.low` and `gap.high` are there for a sentence in the cell, `gap.number` is the
number with its interval, `judge(...).text` the verdict in both languages. A claim with several
parts is judged by `judge_all`. Values of every seed and item are used where the record keeps them.
"""

from tinybert_l.course.evidence.counting import (
    COUNTING_FUNCTIONS,
    counted,
    lines_of,
    ratio_of_counts,
    settings_of,
)
from tinybert_l.course.evidence.from_records import difference, from_record, ratio
from tinybert_l.course.evidence.rule import answer, judge, judge_all, no_record
