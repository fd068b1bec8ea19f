"""The same steps inside nbgrader, for `nbgrader autograde`, Formgrader's button and `nbgrader generate_feedback`.

`nbgrader_config.py` puts `Sanitise` first among the sanitising preprocessors, `TrustedExecute` in the place of
nbgrader's `Execute`, `WriteAudit` last, and `HideTests` among those of feedback.
"""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Dict, Integer

from tinybert_l.grading import job
from tinybert_l.grading.assignment import Assignment, defuse, sanitise
from tinybert_l.grading.outside.execute import CELL_SECONDS, TEST_SECONDS, execute
from tinybert_l.grading.outside.forker import door
from tinybert_l.grading.policy import LatePolicy
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.feedback import hide_tests


def _assignment(preprocessor: NbGraderPreprocessor, place: dict[str, str]) -> Assignment:
    course = CourseDirectory(config=preprocessor.config)
    source = Path(course.format_path(course.source_directory, ".", place["assignment"]))
    return Assignment.read(place["db_url"], source, place["assignment"])


class Sanitise(NbGraderPreprocessor):
    """What nbgrader says of a cell comes from the gradebook, by id; locked text likewise."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        for repair in sanitise(nb, _assignment(self, resources["nbgrader"])):
            self.log.warning("%s", repair)
        return nb, resources


class TrustedExecute(NbGraderPreprocessor):
    """Runs a submission's cells in the sandbox and its tests in the judge; writes the outcome into the notebook."""

    unsafe = Bool(False, help="Grade without isolation.").tag(config=True)
    test_timeout = Integer(TEST_SECONDS, help="Seconds a test cell may take.").tag(config=True)
    timeout = Integer(CELL_SECONDS, help="Seconds any other cell may take.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        assignment = _assignment(self, resources["nbgrader"])
        plan, cells, tests = job.make_plan(nb, assignment)
        outcome = execute(
            plan, door(assignment.lecture, self.unsafe), self.timeout, self.test_timeout
        )
        job.fill_in(outcome, cells, tests)
        defuse(nb, assignment)
        for cell in tests:
            if cell.execution_count is None:
                raise RuntimeError("A test was not reached; nothing is recorded.")
        return nb, resources


class WriteAudit(NbGraderPreprocessor):
    """Puts the verdicts that nbgrader has just saved on record."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        place = resources["nbgrader"]
        course = CourseDirectory(config=self.config)
        path = Path(
            course.format_path(course.submitted_directory, place["student"], place["assignment"])
        )
        submission = path / f"{place['notebook']}.ipynb"
        assignment = _assignment(self, place)
        Audit(Path(place["db_url"].removeprefix("sqlite:///")).parent).graded_by_nbgrader(
            place["student"], assignment.name, submission.read_bytes(), assignment.fingerprint,
            job.verdicts_of(nb, assignment),
        )  # fmt: skip
        return nb, resources


class HideTests(NbGraderPreprocessor):
    """Feedback without the text of hidden tests."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        hide_tests(cell)
        return cell, resources


class LatePenalty(BasePlugin):
    """The course's late policy (see `policy`), for nbgrader's AssignLatePenalties."""

    policy = Dict(help="percent_per_day, grace_minutes, maximum_percent").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float:
        return LatePolicy(**self.policy).penalty(score, total_seconds_late)
