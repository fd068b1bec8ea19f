"""Write the executed course as a static site: `python tools/make_site.py [zh|en ...]`.

The site goes to outputs/site. It is what students may see: answer cells hold the stub that they
get, hidden tests are left out, and no page is published that still gives one away. --with-answers
writes another site, for those who teach, into outputs/site-with-answers; each lecture says so.

Lectures come from the executed copies of outputs/notebooks (see run_notebooks.py); one that was not
run, or has changed since, is refused, unless --unexecuted does without its figures. Pages come from
docs/, the API from the docstrings. Sphinx with MyST-NB builds the site without a network, and it is
read without one: formulas are MathML, the search is in the pages, the Chinese font is the project's
own.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from make_slides import require_executed, source_of, why_not_executed
from slide_texts import FORMULA

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.course.authoring import in_language
from tinybert_l.course.markers import SOLUTION, without_hidden_tests
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.leaks import read_secrets, require_none, scan
from tinybert_l.grading.settings import STUB

CHECKOUT = Path(__file__).resolve().parent.parent
LANGUAGES = {"zh": "zh_CN", "en": "en"}
SECTIONS = {  # Diátaxis: what is learnt, done, looked up, understood
    "tutorials": ("教程", "Tutorials"),
    "how-to": ("操作指南", "How-to guides"),
    "reference": ("参考", "Reference"),
    "explanation": ("原理", "Explanation"),
}
PACKAGES = ("exercises", "method", "tasks", "course")  # whose modules the API describes
LOOSE_MODULES = ("submodels", "cache", "errors")
WORDS = {
    "zh": {
        "title": "TinyBERT-L：联合学习课程",
        "lead": "一个共享权重的学生模型，多个联合训练的子模型。",
        "run": "每一讲都运行过：图和表来自笔记本自己的测量。",
        "not_run": "未运行、因而没有图和表的讲：",
        "banner": "教师版：本页含参考答案和隐藏测试，请勿公开。",
        "other": "English",
        "lectures": "讲义",
    },
    "en": {
        "title": "TinyBERT-L: a course on joint learning",
        "lead": "One weight-sharing student, many sub-models, trained jointly.",
        "run": "Every lecture here was run: figures and tables come from the notebooks' own "
        "measurements.",
        "not_run": "Not run, and so without figures and tables:",
        "banner": "For those who teach: this page holds reference answers and hidden tests. "
        "Do not publish it.",
        "other": "中文",
        "lectures": "Lectures",
    },
}
CONFIGURATION = """\
FONTS = '"TinyBERTL Sans SC", system-ui, "Segoe UI", "Noto Sans", Arial, sans-serif'
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
             /* Chinese alone: the rest is the reader's own font */
             unicode-range: U+2E80-9FFF, U+FF00-FFEF }
div.output img { background: #fff; max-width: 100% }
div.cell_output table { display: block; overflow-x: auto; font-size: .85em }
a.language { font-weight: 700 }
"""


def build(language: str, lectures: list[int], target: Path, with_answers: bool = False) -> None:
    """Build the site in one language; what was in its folder before is replaced.

    Args:
        with_answers: keep reference answers and hidden tests, and say so on each lecture's page.

    Raises:
        CalledProcessError: Sphinx warns or fails.
        LeakError: a page gives something away; the site before stays as it was.
    """
    with tempfile.TemporaryDirectory() as scratch:  # sources are not published
        source, pages = Path(scratch) / "source", Path(scratch) / "site" / language
        write_source(source, language, lectures, with_answers)
        sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        sphinx += ["-d", f"{scratch}/doctrees", str(source), str(pages)]
        subprocess.run(sphinx, check=True, cwd=CHECKOUT)
        for path in pages.rglob("*.html"):
            write_atomically(path, accessible(path.read_text(encoding="utf-8")))
        if not with_answers:
            require_no_answers(pages)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(pages, target)


def write_source(source: Path, language: str, lectures: list[int], with_answers: bool) -> None:
    """Write what Sphinx reads: settings, lectures, documents, a page for each module."""
    (source / "_static").mkdir(parents=True)
    shutil.copy(
        CHECKOUT / "tinybert_l" / "course" / "fonts" / "TinyBERTLSansSC-Regular.ttf",
        source / "_static",
    )
    (source / "_static" / "course.css").write_text(STYLE, encoding="utf-8")
    settings = CONFIGURATION.format(version=__version__, language=LANGUAGES[language])
    (source / "conf.py").write_text(settings, encoding="utf-8")
    (source / "lectures").mkdir()
    for lecture in lectures:
        notebook = in_language(source_of(lecture), language)
        if with_answers:
            banner = nbformat.v4.new_markdown_cell(f"**{WORDS[language]['banner']}**", id="banner")
            notebook.cells.insert(1, banner)
        else:
            remove_answers(notebook)
        nbformat.write(page_of(notebook), source / "lectures" / f"{NOTEBOOKS[lecture]}.ipynb")
    pages = copy_documents(source)
    write_api(source)
    write_atomically(source / "index.md", index(language, lectures, pages))


def require_no_answers(folder: Path) -> None:
    """Remove a folder of pages that holds an answer or a hidden test.

    Raises:
        LeakError: lists what was found.
    """
    leaks = scan(folder, read_secrets(CHECKOUT / "notebooks", CHECKOUT / "solutions"))
    if leaks:
        shutil.rmtree(folder)
    require_none(leaks, f"the site ({folder.name})")


def remove_answers(notebook: nbformat.NotebookNode) -> None:
    """Leave of a notebook what students get, in place, as nbgrader does for a release.

    Outputs stay, but for those of tests and answers: a traceback quotes the code.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        released = SOLUTION.sub(STUB, without_hidden_tests(cell.source))
        if released != cell.source:
            cell.source = released
            cell.outputs = []


def accessible(page: str) -> str:
    """Add what the theme leaves out: ranks of captions; code and outputs' tables scroll by keys."""
    page = re.sub(r'role="heading"(?! aria-level)', 'role="heading" aria-level="2"', page)
    page = re.sub(r"<pre>", '<pre tabindex="0">', page)
    # tables of outputs scroll; those of the documents, which the theme marks, do not
    return re.sub(r"<table(?=[ >])(?![^>]*docutils)", '<table tabindex="0"', page)


def page_of(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Prepare a lecture: formulas as MathML, figures with alternative text, no widgets."""
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
    """Convert a formula to MathML on one line, which Markdown leaves as it is."""
    display = "block" if match.group(1) is not None else "inline"
    return convert(match.group(1) or match.group(2), display=display).replace("\n", " ")


def copy_documents(source: Path) -> dict[str, list[str]]:
    """Copy the pages of docs/; links that leave docs/ become plain text.

    Returns:
        {section: names of its pages}.
    """
    found: dict[str, list[str]] = {}
    shutil.copytree(CHECKOUT / "docs", source / "docs", ignore=shutil.ignore_patterns("README.md"))
    for section in SECTIONS:
        for path in sorted((source / "docs" / section).glob("*.md")):
            found.setdefault(section, []).append(f"docs/{section}/{path.stem}")
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"\[([^\]]+)\]\((?:\.\./){2}[^)]*\)", r"\1", text)
            path.write_text(text, encoding="utf-8")
    return found


def api_modules() -> list[str]:
    """The modules that the API describes, without the name of the package."""
    names = list(LOOSE_MODULES)
    for package in PACKAGES:
        for path in sorted((CHECKOUT / "tinybert_l" / package).glob("*.py")):
            if not path.stem.startswith("_"):
                names.append(f"{package}.{path.stem}")
    return names


def write_api(source: Path) -> None:
    """Write a page for each module; Sphinx fills it with the module's docstrings."""
    (source / "api").mkdir()
    for name in api_modules():
        title = f"tinybert_l.{name}"
        body = f"# {title}\n\n```{{eval-rst}}\n.. automodule:: {title}\n   :members:\n```\n"
        (source / "api" / f"{name}.md").write_text(body, encoding="utf-8")


def index(language: str, lectures: list[int], pages: dict[str, list[str]]) -> str:
    """Write the first page: title, link to the other language, contents."""
    words = WORDS[language]
    other = "en" if language == "zh" else "zh"
    not_run = [NOTEBOOKS[lecture] for lecture in lectures if why_not_executed(lecture)]
    claim = f"{words['not_run']} {', '.join(not_run)}" if not_run else words["run"]
    parts = [f"# {words['title']}\n\n{words['lead']} {claim}\n"]
    parts.append(
        f'<a class="language" href="../{other}/index.html" lang="{other}">{words["other"]}</a>\n'
    )
    trees = {words["lectures"]: [f"lectures/{NOTEBOOKS[n]}" for n in lectures]}
    for section, names in pages.items():
        chinese, english = SECTIONS[section]
        trees[chinese if language == "zh" else english] = names
    trees["API"] = [f"api/{name}" for name in api_modules()]
    for caption, names in trees.items():
        listed = "\n".join(names)
        parts.append(f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n{listed}\n```\n")
    return "\n".join(parts)


FRONT = """<!DOCTYPE html>
<html lang="zh"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=zh/index.html">
<title>TinyBERT-L</title></head>
<body><p><a href="zh/index.html">中文</a> · <a href="en/index.html" lang="en">English</a></p></body>
</html>
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("languages", nargs="*", metavar="zh|en", help="default: both")
    parser.add_argument(
        "--with-answers", action="store_true", help="write the site for those who teach"
    )
    parser.add_argument(
        "--unexecuted", action="store_true", help="do without the figures of lectures not run"
    )
    arguments = parser.parse_args()
    lectures = list(NOTEBOOKS)
    folder = CHECKOUT / "outputs" / ("site-with-answers" if arguments.with_answers else "site")
    for language in arguments.languages:
        if language not in LANGUAGES:
            sys.exit(f"make_site: {language!r}; allowed: {', '.join(LANGUAGES)}.")
    try:
        if not arguments.unexecuted:
            require_executed(lectures)
        for left_behind in ("source", "jupyter_execute"):  # by earlier versions
            shutil.rmtree(folder / left_behind, ignore_errors=True)
        for language in arguments.languages or LANGUAGES:
            build(language, lectures, folder / language, arguments.with_answers)
            print(folder / language / "index.html")
        write_atomically(folder / "index.html", FRONT)
        if not arguments.with_answers:
            require_no_answers(folder)  # also what an earlier run left here
    except CourseError as error:
        sys.exit(f"make_site: {error}")


if __name__ == "__main__":
    main()
