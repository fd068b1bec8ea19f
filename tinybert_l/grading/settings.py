"""Set nbgrader up for this course: the trusted steps take the places of its own."""

from pathlib import Path

from traitlets.config import Config

STUB = 'raise NotImplementedError("your answer goes here 请在此作答")'


def nbgrader_settings(folder: Path, sources: Path, course_id: str = "tinybert-l") -> Config:
    """Return nbgrader's configuration for a course.

    Args:
        folder: release/, submitted/, autograded/, feedback/, exchange/ and gradebook.db lie here.
        sources: the notebooks with answers and hidden tests; only read.
    """
    folder = folder.resolve()
    c = Config()
    c.CourseDirectory.course_id = course_id
    c.CourseDirectory.root = str(folder)
    c.CourseDirectory.source_directory = str(sources.resolve())
    for step in ("release", "submitted", "autograded", "feedback"):
        c.CourseDirectory[f"{step}_directory"] = str(folder / step)
    c.CourseDirectory.db_url = f"sqlite:///{(folder / 'gradebook.db').as_posix()}"
    c.Exchange.root = str(folder / "exchange")
    c.NbGrader.logfile = ""
    c.IncludeHeaderFooter.header = ""
    c.ClearSolutions.code_stub = {"python": STUB}
    c.OverwriteCells.add_missing_cells = True
    # First, what a submission says of its cells is put right; then its code runs in a sandbox, and
    # its tests in another process.
    c.Autograde.sanitize_preprocessors = [
        "tinybert_l.grading.plugins.Sanitise",
        "nbgrader.preprocessors.ClearOutput",
        "nbgrader.preprocessors.DeduplicateIds",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.autograde_preprocessors = [
        "tinybert_l.grading.plugins.TrustedExecute",
        "nbgrader.preprocessors.IgnorePattern",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "tinybert_l.grading.plugins.WriteAudit",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.AssignLatePenalties.plugin_class = "tinybert_l.grading.plugins.LatePenalty"
    c.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "tinybert_l.grading.plugins.HideTests",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    return c
