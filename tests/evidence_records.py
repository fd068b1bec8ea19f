"""Records for the tests of the rule of evidence: some with a gap that is known."""

from tinybert_l.course import rows
from tinybert_l.course.evidence import from_record
from tinybert_l.course.recipes import LONG_JOINT
from tinybert_l.course.records import write_record
from tinybert_l.course.rows import Interval

SEEDS = {"seeds": [0, 1, 2]}


def gap_record(low, middle, high, method="seeds", recipe=LONG_JOINT):
    name = "joint_against_separate"
    interval = Interval(middle, low, high, method)
    row = rows.JointMeanGapRow(interval)
    write_record(name, "joint_against_separate", "python", recipe, [row])
    return from_record(name, "difference_points", kind="joint_mean_gap")


def write(name, written_rows, recipe=SEEDS):
    kind = written_rows[0].kind
    kinds = {"question": "questions", "training_method": "training_methods", "peer": "peers"}
    write_record(name, kinds.get(kind, kind), "python", recipe, written_rows)
