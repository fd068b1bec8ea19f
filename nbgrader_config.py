"""nbgrader on this checkout: notebooks/ is the source, everything made lies under outputs/course."""

from pathlib import Path

c = get_config()  # noqa: F821
checkout = Path(__file__).resolve().parent
course = checkout / "outputs" / "course"

c.CourseDirectory.course_id = "tinybert-l"
c.CourseDirectory.root = str(checkout)
c.CourseDirectory.source_directory = "notebooks"
for step in ("release", "submitted", "autograded", "feedback"):
    c.CourseDirectory[f"{step}_directory"] = str(course / step)
c.CourseDirectory.db_url = f"sqlite:///{(course / 'gradebook.db').as_posix()}"
c.Exchange.root = str(checkout / "outputs" / "exchange")
c.IncludeHeaderFooter.header = ""
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer goes here 请在此作答")'}
c.OverwriteCells.add_missing_cells = True

# What a submission says of its cells is put right first; its code runs in a sandbox, its tests elsewhere.
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
