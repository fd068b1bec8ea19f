"""What the registry says of an exercise is what files, notebooks and documents show."""

import ast
import importlib.util
import re

import nbformat
import pytest

import tinybert_l
from tinybert_l.course.authoring import exercise_heading, write_answers
from tinybert_l.exercises.registry import NOTEBOOKS, exercises

EXERCISES = pytest.mark.parametrize("entry", exercises().values(), ids=lambda entry: entry.number)
LECTURES_WITH_EXERCISES = [lecture for lecture in NOTEBOOKS if exercises(lecture)]


def cells_of(checkout, notebook: str) -> list[nbformat.NotebookNode]:
    path = checkout / "notebooks" / notebook / f"{notebook}.ipynb"
    return nbformat.read(path, as_version=4).cells


@EXERCISES
def test_four_files_follow_from_number_and_name(checkout, entry):
    files = {
        f"tinybert_l/exercises/lecture_{entry.lecture:02d}.py": f"def {entry.name}(",
        f"solutions/lecture_{entry.lecture:02d}.py": f"def {entry.name}(",
        f"tests/zoo/{entry.name}.py": f"exercise {entry.number}, `{entry.name}`",
        f"notebooks/{entry.notebook}/{entry.notebook}.ipynb": f'"test_{entry.name}_hidden"',
    }
    for file, part in files.items():
        assert part in (checkout / file).read_text(encoding="utf-8"), file


@EXERCISES
def test_the_points_of_its_test_cells_sum_to_those_of_the_exercise(checkout, entry):
    points = {}
    for cell in cells_of(checkout, entry.notebook):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in (f"test_{entry.name}", f"test_{entry.name}_hidden"):
            points[grade_id] = cell.metadata.nbgrader.points
    assert len(points) == 2 and sum(points.values()) == entry.points, points


@pytest.mark.parametrize("lecture", LECTURES_WITH_EXERCISES)
def test_the_notebooks_text_shows_number_points_and_minutes(checkout, lecture):
    lines = []
    for cell in cells_of(checkout, NOTEBOOKS[lecture]):
        if cell.cell_type == "markdown":
            lines += cell.source.splitlines()
    for language, begin in (("zh", "### 练习"), ("en", "### Exercise ")):
        headings = [line for line in lines if line.startswith(begin)]
        entries = exercises(lecture).values()
        assert headings == [exercise_heading(entry, language) for entry in entries]
    text = "\n".join(lines)
    minutes = str(sum(entry.minutes for entry in exercises(lecture).values()))
    assert re.findall(r"个练习约(\d+)分钟", text) == [minutes]
    assert re.findall(r"(\d+)(?: minutes)? for \w+ exercises?\b", text) == [minutes]


@pytest.mark.parametrize("lecture", LECTURES_WITH_EXERCISES)
def test_solutions_stand_in_the_order_of_the_exercises(checkout, lecture):
    source = (checkout / "solutions" / f"lecture_{lecture:02d}.py").read_text(encoding="utf-8")
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert functions == list(exercises(lecture))


def test_wrong_points_and_minutes_in_the_text_are_written_anew(checkout, tmp_path):
    name = NOTEBOOKS[7]
    source = checkout / "notebooks" / name / f"{name}.ipynb"
    right = source.read_text(encoding="utf-8")
    wrong = right
    for old, new in (
        ("练习7.2 `early_exit`（4分，约12分钟）", "练习8.1 `early_exit`（40分，约120分钟）"),
        ("Exercise 7.1 `head_importance` (4 points", "Exercise 7.1 `head_importance` (5 points"),
        ("两个练习约22分钟", "两个练习约99分钟"),
        ("22 for two exercises", "99 for two exercises"),
    ):
        assert old in wrong, old
        wrong = wrong.replace(old, new)
    copy = tmp_path / name / f"{name}.ipynb"
    copy.parent.mkdir()
    copy.write_text(wrong, encoding="utf-8")
    names = {name, "early_exit", "head_importance"}
    assert set(write_answers(tmp_path, checkout / "solutions", 7, check=True)) == names
    assert copy.read_text(encoding="utf-8") == wrong
    assert set(write_answers(tmp_path, checkout / "solutions", 7)) == names
    assert copy.read_text(encoding="utf-8") == right
    assert write_answers(tmp_path, checkout / "solutions", 7) == []


def test_the_page_of_exercises_is_what_its_tool_writes(checkout):
    tool = checkout / "tools" / "make_exercises.py"
    spec = importlib.util.spec_from_file_location("make_exercises", tool)
    make_exercises = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_exercises)
    page = (checkout / "docs" / "reference" / "exercises.md").read_text(encoding="utf-8")
    assert page == make_exercises.page(), "run `python tools/make_exercises.py`"


def imports_for_editors() -> dict[str, str]:
    """The names that tinybert_l imports for editors and mypy, and the module of each."""
    with open(tinybert_l.__file__, encoding="utf-8") as file:
        module = ast.parse(file.read())
    modules = {}
    for node in module.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for imports in node.body:
                assert isinstance(imports, ast.ImportFrom)
                for alias in imports.names:
                    modules[alias.asname or alias.name] = imports.module
    return modules


def test_public_names_are_imported_for_editors_from_where_they_are_taken_at_run_time():
    modules = {}
    for name, module in tinybert_l._HOME_OF.items():
        modules[name] = f"tinybert_l.{module}"
    assert imports_for_editors() == modules


def test_an_editor_resolves_every_public_name():
    at_once = {"AnswerError", "MissingAnswer", "begin"}
    assert set(tinybert_l.__all__) == imports_for_editors().keys() | at_once
    for name in tinybert_l.__all__:
        assert getattr(tinybert_l, name) is not None


def test_every_exercise_is_a_public_name():
    for name, entry in exercises().items():
        assert getattr(tinybert_l, name) is entry.function
