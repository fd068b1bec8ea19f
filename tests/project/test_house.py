"""The house rules that no linter knows: sizes, density, light imports, what lies where."""

import ast
import importlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOLUTIONS = Path(__file__).parents[2] / "solutions"
STRICT = {"exercises", "method"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def python_files(checkout: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((checkout / folder).rglob("*.py"))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its signature included, its docstring left out."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= first.end_lineno - first.lineno + 1
    return lines


def too_long(path: Path, limit: int) -> list[str]:
    """Functions of a file with more lines than the limit, as `file:line name (lines)`."""
    named = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > limit:
            named.append(f"{path.name}:{node.lineno} {node.name} ({length(node)})")
    return named


def test_functions_are_short(checkout):
    named = []
    for path in python_files(checkout, "tinybert_l", "solutions", "benchmarks", "tools", "tests"):
        folder, package = path.relative_to(checkout).parts[:2]
        strict = folder == "tinybert_l" and package in STRICT
        named += too_long(path, 40 if strict else 60)
    assert not named, "\n".join(named)


def test_a_long_function_would_be_noticed(tmp_path):
    docstring = '    """' + "text\n" * 50 + '    """\n'
    path = tmp_path / "long.py"
    path.write_text("def f():\n" + docstring + "    x = 1\n" * 39)
    assert too_long(path, 40) == []
    path.write_text("def f():\n" + docstring + "    x = 1\n" * 40)
    assert too_long(path, 40) == ["long.py:1 f (41)"]


def longer_files(folder: Path, limit: int) -> list[str]:
    """Python files with more lines than the limit, as `file (lines)`."""
    named = []
    for path in python_files(folder, ""):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            named.append(f"{path.relative_to(folder)} ({lines})")
    return named


def test_modules_are_short(checkout):
    """About 400 lines; what grows beyond 450 is cut by meaning."""
    named = longer_files(checkout / "tinybert_l", 450)
    assert not named, "\n".join(named)


def test_a_long_module_would_be_noticed(tmp_path):
    (tmp_path / "package").mkdir()
    path = tmp_path / "package" / "long.py"
    path.write_text("x = 1\n" * 450)
    assert longer_files(tmp_path, 450) == []
    path.write_text("x = 1\n" * 451)
    assert longer_files(tmp_path, 450) == ["package/long.py (451)"]


def test_comprehensions_are_few_in_the_library(checkout):
    """At most 25 in 1,000 lines that are not blank: one idea a line."""
    count = lines = 0
    for path in python_files(checkout, "tinybert_l"):
        text = path.read_text(encoding="utf-8")
        lines += sum(1 for line in text.splitlines() if line.strip())
        count += sum(isinstance(node, COMPREHENSIONS) for node in ast.walk(ast.parse(text)))
    assert 1000 * count / lines <= 25, f"{count} in {lines} lines"


def test_the_library_is_folders_and_a_ground_floor(checkout):
    library = checkout / "tinybert_l"
    allowed = {"__init__.py", "submodels.py", "cache.py", "errors.py", "languages.py", "py.typed"}
    files = {path.name for path in library.iterdir() if path.is_file()}
    assert files - allowed == set()
    for folder in library.iterdir():
        if folder.is_dir() and any(folder.rglob("*.py")):
            assert (folder / "__init__.py").is_file(), folder


QUIZZES_READ = f"""
from pathlib import Path
from tinybert_l.course.quiz_questions import read_questions
assert all(read_questions(Path({str(SOLUTIONS)!r}), lecture) for lecture in range(1, 12))
"""
LIGHT = {
    "import": ("import tinybert_l", 0.3),
    "help": ("import sys; sys.argv[1:] = ['--help']; import tinybert_l.cli as c; c.run()", 0.5),
    "quizzes": (QUIZZES_READ, 1.0),  # `release` reads all of them, and should not be kept waiting
}


@pytest.mark.parametrize("use", LIGHT)
def test_light_uses_need_no_torch_and_little_time(use, tmp_path):
    """CPU seconds, the best of three: other programs on the machine do not count."""
    code, limit = LIGHT[use]
    check = "import sys; sys.exit('torch' in sys.modules and 'torch was imported')"
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", f"{code}\n{check}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < limit, seconds


def test_no_modules_import_each_other():
    """import-linter compares storeys; a circle could still hide within one of them."""
    graph = grimp.build_graph("tinybert_l", exclude_type_checking_imports=True, cache_dir=None)
    imports = {}
    for module in graph.modules:
        imports[module] = graph.find_modules_directly_imported_by(module)
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_the_picture_of_the_architecture_is_that_of_the_imports(checkout, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "tools")
    make_architecture = importlib.import_module("make_architecture")
    kept = make_architecture.PICTURE.read_text(encoding="utf-8")
    monkeypatch.setattr(make_architecture, "PICTURE", tmp_path / "drawn.svg")
    make_architecture.write()
    assert (tmp_path / "drawn.svg").read_text(encoding="utf-8") == kept


def test_recorded_pages_keep_clones_light(checkout):
    sizes = [page.stat().st_size for page in (checkout / "results/recorded").glob("*.html")]
    assert len(sizes) == 11
    assert sum(sizes) < 1.5 * 2**20
