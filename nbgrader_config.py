"""nbgrader on this checkout: notebooks/ is the source; the rest lies in outputs/course."""

from pathlib import Path

from tinybert_l.grading.course import Course

c = get_config()  # noqa: F821
c.merge(Course(Path(__file__).resolve().parent / "outputs" / "course").config())
