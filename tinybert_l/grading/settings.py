"""Set nbgrader up for this course: the trusted steps take the places of its own."""

import importlib
import importlib.util
import os
import re
from glob import escape
from glob import glob as find
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from traitlets.config import Config

MODULES_THAT_GLOB = (
    "nbgrader.converters.base",
    "nbgrader.apps.api",
)
TEMPLATES = Path(__file__).parent / "templates"
STEPS = ("release", "submitted", "autograded", "feedback")
STUB = 'raise NotImplementedError("your answer goes here 请在此作答")'


def database_url(path: Path) -> str:
    """Return SQLAlchemy's address of a gradebook, whatever characters its path has."""
    return sa.URL.create("sqlite", database=path.resolve().as_posix()).render_as_string()


def prepare_gradebook(path: Path) -> None:
    """Note in a new gradebook which version of nbgrader's tables it will have.

    nbgrader starts the program `alembic` to find that out, which takes seconds.
    """
    if path.is_file():
        return
    import nbgrader
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(Path(nbgrader.__file__).parent / "alembic")).get_current_head()
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(database_url(path))
    with engine.begin() as db:
        db.execute(sa.text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))"))
        if db.scalar(sa.text("SELECT count(*) FROM alembic_version")) == 0:
            db.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    engine.dispose()


def database_path(url: str) -> Path:
    """Return the path of a gradebook from its address; the inverse of `database_url`."""
    return Path(sa.make_url(url).database or "")


def _below(folder: Path, sources: Path) -> str:
    """Return how nbgrader is to name the folder of the sources, as seen from the course's."""
    if sources.is_relative_to(folder):
        return sources.relative_to(folder).as_posix()
    if re.search(r"[^\w/ .-]", str(sources)):
        return os.path.relpath(sources, folder)
    return str(sources)


class _RootIsNoPattern:
    """Stands for the module `glob` in nbgrader, which takes its root for a pattern.

    Args:
        root: the course's folder, whose brackets are only brackets.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def glob(self, pattern: str, **options: Any) -> list[str]:
        """Find files as `glob.glob` does, with the root as it is written."""
        if pattern.startswith(self.root):
            pattern = escape(self.root) + pattern[len(self.root) :]
        return find(pattern, **options)


def _let_nbgrader_find(folder: Path) -> None:
    """Make nbgrader find files in a folder with brackets in its path."""
    if "[" not in str(folder):
        return
    for name in MODULES_THAT_GLOB:
        vars(importlib.import_module(name))["glob"] = _RootIsNoPattern(str(folder))


def _nbgrader_templates() -> Path:
    """Find the templates of Formgrader's pages, without importing its server."""
    spec = importlib.util.find_spec("nbgrader")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "server_extensions" / "formgrader" / "templates"


def nbgrader_settings(folder: Path, sources: Path, course_id: str = "tinybert-l") -> Config:
    """Return nbgrader's configuration for a course.

    Args:
        folder: release/, submitted/, autograded/, feedback/, exchange/ and gradebook.db lie here.
        sources: the notebooks with answers and hidden tests; only read.
    """
    folder = folder.resolve()
    _let_nbgrader_find(folder)
    c = Config()
    c.CourseDirectory.course_id = course_id
    c.CourseDirectory.root = str(folder)
    # nbgrader takes these as regular expressions and escapes its root alone: below it, they are
    # plain names
    for step in STEPS:
        c.CourseDirectory[f"{step}_directory"] = step
    c.CourseDirectory.source_directory = _below(folder, sources.resolve())
    c.CourseDirectory.db_url = database_url(folder / "gradebook.db")
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
    # Formgrader opens a submission where a person is needed; all else is nbgrader's own template
    theirs = str(_nbgrader_templates())
    c.HTMLExporter.extra_template_basedirs = [str(TEMPLATES), theirs]
    c.HTMLExporter.extra_template_paths = [theirs]
    c.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "tinybert_l.grading.plugins.HideTests",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    return c
