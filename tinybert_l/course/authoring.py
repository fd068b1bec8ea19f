"""Notebooks as sources: answer cells are written from solutions/, and one language can be taken out of two."""

import ast
import re
import textwrap
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tinybert_l.cache import write_atomically
from tinybert_l.exercises.registry import NOTEBOOKS, answer_cells


def answer_cell(source: str, name: str) -> str:
    """The notebook cell for one function of a solutions file."""
    function = next(
        (
            node
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        ),
        None,
    )
    if function is None:
        raise ValueError(f"answer_cell: the solutions file has no function {name}.")
    lines = source.splitlines()
    signature = "\n".join(lines[function.lineno - 1 : function.body[0].lineno - 1])
    body = textwrap.dedent("\n".join(lines[function.body[0].lineno - 1 : function.end_lineno]))
    body = f"### BEGIN SOLUTION\n{body}\n### END SOLUTION"
    return f"@{name}.implement\n{signature}\n{textwrap.indent(body, '    ')}"


def write_answers(notebooks: Path, solutions: Path, lecture: int, check: bool = False) -> list[str]:
    """Bring a notebook's answer cells in line with solutions/; returns the names of those that differed.

    Args:
        check: only report, write nothing.
    """
    name = NOTEBOOKS[lecture]
    path = notebooks / name / f"{name}.ipynb"
    source = (solutions / f"lecture_{lecture:02d}.py").read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    changed = []
    for exercise in answer_cells(path):
        cell = next(c for c in notebook.cells if c.source.startswith(f"@{exercise}.implement"))
        wanted = answer_cell(source, exercise)
        if cell.source != wanted:
            changed.append(exercise)
            cell.source = wanted
    if changed and not check:
        write_atomically(path, nbformat.writes(notebook) + "\n")
    return changed


def in_language(notebook: NotebookNode, lang: str | None) -> NotebookNode:
    """A notebook with the text of one language, in place; its title "中文 · English" becomes that language's half.

    Args:
        lang: "zh", "en", or None for both. Cells tagged with both languages, and all code, stay.
    Raises:
        ValueError: another language.
    """
    if lang is None:
        return notebook
    if lang not in ("zh", "en"):
        raise ValueError(f"in_language: lang={lang!r}; allowed: 'zh', 'en' or None.")
    title = next(
        (m for c in notebook.cells if (m := re.match(r"# (.+?) · (.+)\n*", c.source))), None
    )
    if title is not None:
        for cell in notebook.cells:
            cell.source = cell.source.removeprefix(title.group(0))
    languages = {"lang-zh", "lang-en"}
    notebook.cells = [
        cell
        for cell in notebook.cells
        if languages & set(cell.metadata.get("tags", [])) != languages - {f"lang-{lang}"}
    ]
    if title is not None and notebook.cells:
        own = title.group(1 if lang == "zh" else 2).strip()
        notebook.cells[0].source = f"# {own}\n\n{notebook.cells[0].source}".rstrip()
        notebook.metadata["title"] = own
    return notebook
