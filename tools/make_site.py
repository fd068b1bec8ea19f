"""The executed course as a static site: `python tools/make_site.py [zh|en ...]`, written to outputs/site.

Lectures come from the executed copies of outputs/notebooks (see run_notebooks.py), pages from docs/, the API from the
docstrings. Built by Sphinx with MyST-NB, without a network, and read without one: formulas are MathML, the search is
in the pages, the Chinese font is the project's own.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from make_slides import FORMULA, source_of

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.course.authoring import in_language
from tinybert_l.exercises.registry import NOTEBOOKS

CHECKOUT = Path(__file__).resolve().parent.parent
LANGUAGES = {"zh": "zh_CN", "en": "en"}
SECTIONS = {  # Diátaxis: what is learnt, done, looked up, understood
    "tutorials": ("教程", "Tutorials"),
    "how-to": ("操作指南", "How-to guides"),
    "reference": ("参考", "Reference"),
    "explanation": ("原理", "Explanation"),
}
MODULES = [
    "exercise", "syllabus", "submodels", "windowed", "optimisation", "cache", "data", "training", "teacher", "model",
    "vocabulary", "teacher_outputs", "distillation", "joint", "documents", "pretraining", "evaluation", "stories",
    "questions", "generation", "text_metrics", "export", "tables", "figures", "experiments", "records", "judging",
    "student", "doctor",
]  # fmt: skip
CONFIGURATION = """FONTS = '"TinyBERTL Sans SC", system-ui, "Segoe UI", "Noto Sans", Arial, sans-serif'
MONO = '"TinyBERTL Sans SC", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace'
VARIABLES = {{"font-stack": FONTS, "font-stack--monospace": MONO}}
project = "TinyBERT-L"
author = "The TinyBERT-L authors"
version = release = "{version}"
language = "{language}"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
html_theme = "furo"
html_title = "TinyBERT-L"
html_theme_options = {{"light_css_variables": VARIABLES, "dark_css_variables": VARIABLES}}
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_copy_source = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False


def plain_bars(app, what, name, obj, options, lines):
    # a vertical bar is one, not a substitution
    lines[:] = [line.replace("|", "\\\\|") for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", plain_bars)


suppress_warnings = ["myst.header", "mystnb.unknown_mime_type", "myst.xref_missing"]
"""
STYLE = """@font-face { font-family: "TinyBERTL Sans SC"; src: url("TinyBERTLSansSC-Regular.ttf");
             unicode-range: U+2E80-9FFF, U+FF00-FFEF }  /* Chinese alone: the rest is the reader's own font */
div.output img { background: #fff; max-width: 100% }
div.cell_output table { display: block; overflow-x: auto; font-size: .85em }
a.language { font-weight: 700 }
"""


def build(language: str, lectures: list[int], target: Path) -> None:
    """One language's site. Raises `CalledProcessError` when Sphinx warns or fails."""
    source = target.parent / "source" / language
    shutil.rmtree(source, ignore_errors=True)
    (source / "_static").mkdir(parents=True)
    shutil.copy(
        CHECKOUT / "tinybert_l" / "course" / "fonts" / "TinyBERTLSansSC-Regular.ttf",
        source / "_static",
    )
    (source / "_static" / "course.css").write_text(STYLE, encoding="utf-8")
    settings = CONFIGURATION.format(version=__version__, language=LANGUAGES[language])
    (source / "conf.py").write_text(settings, encoding="utf-8")
    for lecture in lectures:
        notebook = page_of(in_language(source_of(lecture), language))
        (source / "lectures").mkdir(exist_ok=True)
        nbformat.write(notebook, source / "lectures" / f"{NOTEBOOKS[lecture]}.ipynb")
    pages = copy_documents(source)
    write_api(source)
    write_atomically(source / "index.md", index(language, lectures, pages))
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        str(source),
        str(target),
    ]
    subprocess.run(command, check=True, cwd=CHECKOUT)
    for path in target.rglob("*.html"):
        write_atomically(path, accessible(path.read_text(encoding="utf-8")))


def accessible(page: str) -> str:
    """What the theme leaves out: the rank of its captions, and code that can be scrolled by keyboard."""
    page = re.sub(r'role="heading"(?! aria-level)', 'role="heading" aria-level="2"', page)
    return re.sub(r"<pre>", '<pre tabindex="0">', page)


def page_of(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A lecture as a page: formulas as MathML, figures with their alternative text, no widgets."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FORMULA.sub(_mathml, cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
            data.pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata.pop("widgets", None)
    return notebook


def _mathml(match: re.Match[str]) -> str:
    """On one line, which Markdown leaves as it is."""
    block = match.group(1) is not None
    return convert(
        match.group(1) or match.group(2), display="block" if block else "inline"
    ).replace("\n", " ")


def copy_documents(source: Path) -> dict[str, list[str]]:
    """The pages of docs/ by section; links that leave docs/ become plain text."""
    found: dict[str, list[str]] = {}
    shutil.copytree(CHECKOUT / "docs", source / "docs", ignore=shutil.ignore_patterns("README.md"))
    for section in SECTIONS:
        for path in sorted((source / "docs" / section).glob("*.md")):
            found.setdefault(section, []).append(f"docs/{section}/{path.stem}")
            text = re.sub(
                r"\[([^\]]+)\]\((?:\.\./){2}[^)]*\)", r"\1", path.read_text(encoding="utf-8")
            )
            path.write_text(text, encoding="utf-8")
    return found


def write_api(source: Path) -> None:
    (source / "api").mkdir()
    for name in MODULES:
        title = f"tinybert_l.{name}"
        body = f"# {title}\n\n```{{eval-rst}}\n.. automodule:: {title}\n   :members:\n```\n"
        (source / "api" / f"{name}.md").write_text(body, encoding="utf-8")


def index(language: str, lectures: list[int], pages: dict[str, list[str]]) -> str:
    zh = language == "zh"
    other = "en" if zh else "zh"
    words = {
        "title": "TinyBERT-L：联合学习课程" if zh else "TinyBERT-L: a course on joint learning",
        "lead": (
            "一个共享权重的学生模型，多个联合训练的子模型。每一讲都在这里运行过：图和表来自笔记本自己的测量。"
            if zh
            else "One weight-sharing student, many sub-models, trained jointly. Every lecture here was run: figures "
            "and tables come from the notebooks' own measurements."
        ),
        "other": "English" if zh else "中文",
        "lectures": "讲义" if zh else "Lectures",
        "api": "API",
    }
    parts = [f"# {words['title']}\n\n{words['lead']}\n"]
    parts.append(
        f'<a class="language" href="../{other}/index.html" lang="{other}">{words["other"]}</a>\n'
    )
    trees = {words["lectures"]: [f"lectures/{NOTEBOOKS[n]}" for n in lectures]}
    trees |= {SECTIONS[s][0 if zh else 1]: names for s, names in pages.items()}
    trees[words["api"]] = [f"api/{name}" for name in MODULES]
    for caption, names in trees.items():
        listed = "\n".join(names)
        parts.append(f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n{listed}\n```\n")
    return "\n".join(parts)


FRONT = """<!DOCTYPE html>
<html lang="zh"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=zh/index.html">
<title>TinyBERT-L</title></head>
<body><p><a href="zh/index.html">中文</a> · <a href="en/index.html" lang="en">English</a></p></body></html>
"""


def main() -> None:
    lectures = list(NOTEBOOKS)
    missing = [
        NOTEBOOKS[n]
        for n in lectures
        if not (CHECKOUT / "outputs" / "notebooks" / NOTEBOOKS[n]).is_dir()
    ]
    if missing:
        sys.exit(
            f"make_site: no executed copy of {', '.join(missing)}: run 'make notebooks' first."
        )
    folder = CHECKOUT / "outputs" / "site"
    for language in sys.argv[1:] or LANGUAGES:
        if language not in LANGUAGES:
            sys.exit(f"make_site: {language!r}; allowed: {', '.join(LANGUAGES)}.")
        build(language, lectures, folder / language)
        print(folder / language / "index.html")
    write_atomically(folder / "index.html", FRONT)


if __name__ == "__main__":
    main()
