"""Write slides of lectures: `python tools/make_slides.py [zh|en|both] [LECTURE ...]`.

Decks go to outputs/slides. Figures and tables come from the executed copies of outputs/notebooks
(see run_notebooks.py); a lecture that was not run, or has changed since, is refused, unless
--unexecuted asks for a deck without figures, which says so itself. A deck needs no network:
reveal.js comes from a package and is copied beside it, formulas are MathML, the Chinese font is the
project's own. Key S opens the speaker's notes: the time of each slide, and the folded answers. No
deck is written that holds an answer to an exercise or a hidden test.
"""

import argparse
import ast
import html
import importlib.util
import itertools
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jinja2 import Environment
from slide_texts import Slide, output_slides, text_slides, to_html

from tinybert_l.cache import write_atomically
from tinybert_l.course.authoring import in_language
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.leaks import read_secrets, require_none, scan_text

CHECKOUT = Path(__file__).resolve().parent.parent
LANGUAGES = ("zh", "en", "both")
SOURCES = CHECKOUT / "notebooks"
EXECUTED = CHECKOUT / "outputs" / "notebooks"
NOT_RUN = {
    "zh": "本讲尚未运行：这份幻灯片没有图和表。",
    "en": "This lecture was not run: the deck has no figures and tables.",
    "both": "本讲尚未运行，没有图和表。 This lecture was not run: no figures and tables.",
}
REDUCED = "tinybert_l_reduced"  # in the metadata of a copy that run_notebooks.py made
LESSON_MINUTES = 45
LESSONS = {3: 2.0, 11: 0.5}  # of a lecture, where it is not one; the last is for reading
CHOICES = re.compile(r"quiz-\d+-\d+-choices")  # ids of the cells that list a question's choices


def deck(lecture: int, language: str) -> str:
    """Write a lecture's slides as a page, without the code, tests and hints of exercises."""
    slides: list[Slide] = []
    title = ""
    source = source_of(lecture)
    problem = why_not_executed(lecture, source)
    if language == "en":
        begin_slides_with_english(source)
    notebook = in_language(source, None if language == "both" else language)
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        if kind == "skip":
            continue
        if CHOICES.fullmatch(cell.get("id", "")):
            slides[-1].body += to_html(choices_of(cell.source))
            continue
        if cell.cell_type == "markdown":
            cell_slides = text_slides(cell.source)
        else:
            cell_slides = output_slides(cell, language)
        for slide in cell_slides:
            slide.first = kind == "slide" and slide is cell_slides[0]
            title = slide.with_title(title)
        slides += cell_slides
    if problem:
        slides[0].body += f'<p class="warning">{html.escape(NOT_RUN[language])}</p>'
    add_times(slides, LESSONS.get(lecture, 1.0))
    deck_title = notebook.metadata.get("title") or NOTEBOOKS[lecture]
    template = Environment(autoescape=False).from_string(PAGE)
    return template.render(slides=slides, title=html.escape(deck_title))


def begin_slides_with_english(notebook: nbformat.NotebookNode) -> None:
    """Give English texts, in place, the kind of slide of the Chinese text that they follow."""
    for before, cell in itertools.pairwise(notebook.cells):
        tags = [c.metadata.get("tags", []) for c in (before, cell)]
        if "lang-zh" in tags[0] and "lang-en" in tags[1] and "lang-zh" not in tags[1]:
            cell.metadata["slideshow"] = before.metadata.get("slideshow", {})


def add_times(slides: list[Slide], lessons: float) -> None:
    """Begin each slide's notes with the time at which it is due in its lesson.

    Args:
        lessons: how many the lecture fills; each lesson after the first begins with a column.
    """
    if lessons <= 1:
        add_times_of_lesson(slides, lessons * LESSON_MINUTES)
        return
    begins = [0]
    for number in range(1, round(lessons)):
        share = weight_of(slides) * number / lessons
        columns = [place for place, slide in enumerate(slides) if slide.first]
        begins.append(min(columns, key=lambda place: abs(weight_of(slides[:place]) - share)))
    for number, (begin, end) in enumerate(itertools.pairwise([*begins, len(slides)]), 1):
        add_times_of_lesson(slides[begin:end], LESSON_MINUTES, f"lesson 课 {number}: ")


def weight_of(slides: Sequence[Slide]) -> float:
    """Add up the shares of slides."""
    return sum(slide.weight for slide in slides)


def add_times_of_lesson(slides: Sequence[Slide], minutes: float, name: str = "") -> None:
    """Share the minutes of a lesson among its slides, by their weights."""
    total = weight_of(slides)
    begin = 0.0
    for slide in slides:
        end = begin + 60 * minutes * slide.weight / total
        slide.notes.insert(0, f"{name}{clock(begin)}–{clock(end)} / {minutes:g} min")
        begin = end


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds: 7:05."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def choices_of(source: str) -> str:
    """List the choices of a quiz question, which a call of `show_choices` holds, by letter."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    listed = []
    for keyword in calls[0].keywords:
        listed.append(f"- **{keyword.arg}** · {ast.literal_eval(keyword.value)}")
    return "\n".join(listed)


def source_of(lecture: int) -> nbformat.NotebookNode:
    """Read the executed copy of a lecture where there is one, else its source."""
    name = NOTEBOOKS[lecture]
    executed = EXECUTED / name / f"{name}.ipynb"
    source = executed if executed.is_file() else SOURCES / name / f"{name}.ipynb"
    return nbformat.read(source, as_version=4)


def why_not_executed(lecture: int, notebook: nbformat.NotebookNode | None = None) -> str:
    """Say why a lecture's figures and tables are not those of its notebook; "" when they are.

    Args:
        notebook: what `source_of` read.
    """
    name = NOTEBOOKS[lecture]
    notebook = notebook or source_of(lecture)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    not_run = sum(cell.get("execution_count") is None for cell in code)
    if not_run:
        return f"{name}: {not_run} of {len(code)} code cells were not run"
    today = nbformat.read(SOURCES / name / f"{name}.ipynb", as_version=4)
    if [cell.source for cell in today.cells] != [cell.source for cell in notebook.cells]:
        return f"{name}: has changed since it was run"
    if notebook.metadata.get(REDUCED):
        return f"{name}: was run at the size for tests (TINYBERT_L_REDUCED)"
    faults = list(filter(None, map(fault_of, code)))
    return f"{name}: {faults[0]}" if faults else ""


def fault_of(cell: nbformat.NotebookNode) -> str:
    """Say what is wrong with the outputs of a cell that was run; "" when nothing is."""
    for output in cell.outputs:
        if output.output_type == "error":
            return f"a cell failed when it was run ({output.ename})"
    shown = [tag for tag in cell.metadata.get("tags", []) if tag.startswith(("figure-", "table-"))]
    if shown and not cell.outputs:
        return f"{shown[0]} is missing: its outputs were removed"
    return ""


def require_executed(lectures: Sequence[int]) -> None:
    """Refuse lectures that were not run as they are now.

    Raises:
        CourseError: names them, and says what to do.
    """
    problems = list(filter(None, map(why_not_executed, lectures)))
    if problems:
        lines = "\n".join(problems)
        raise CourseError(
            f"{lines}\nRun them first: make notebooks (or python tools/run_notebooks.py "
            "LECTURE ...); --unexecuted does without their figures and says so on the page. "
            "请先运行笔记本。"
        )


def copy_reveal(folder: Path) -> None:
    """Copy reveal.js, its notes plugin and the font to a folder beside the decks."""
    spec = importlib.util.find_spec("sphinx_revealjs")
    if spec is None or spec.origin is None:
        sys.exit(
            "make_slides: sphinx-revealjs, which brings reveal.js, is missing: "
            "pip install -e '.[dev]'"
        )
    static = Path(spec.origin).parent / "_static" / "revealjs"
    for part in (
        "dist/reveal.css",
        "dist/reset.css",
        "dist/reveal.js",
        "plugin/notes/notes.js",
        "LICENSE",
    ):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(static / part, folder / part)
    fonts = CHECKOUT / "tinybert_l" / "course" / "fonts"
    shutil.copy(fonts / "TinyBERTLSansSC-Regular.ttf", folder)
    shutil.copy(fonts / "OFL.txt", folder)


def write(language: str, lectures: Sequence[int], unexecuted: bool, folder: Path) -> list[Path]:
    """Write the decks of lectures into a folder; all or none.

    Raises:
        CourseError: a lecture was not run, or a deck gives something away.
    """
    if not unexecuted:
        require_executed(lectures)
    secrets = read_secrets(SOURCES, CHECKOUT / "solutions")
    pages = {}
    for lecture in lectures:
        path = folder / language / f"{NOTEBOOKS[lecture]}.html"
        pages[path] = deck(lecture, language)
        require_none(scan_text(path.name, pages[path], secrets), f"the slides {path.name}")
    copy_reveal(folder / "reveal")
    for path, page in pages.items():
        write_atomically(path, page)
    return list(pages)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("language", nargs="?", default="both", choices=LANGUAGES)
    parser.add_argument("lectures", nargs="*", type=int, metavar="LECTURE", help="default: all")
    parser.add_argument(
        "--unexecuted", action="store_true", help="write decks without figures where need be"
    )
    arguments = parser.parse_args()
    lectures = arguments.lectures or list(NOTEBOOKS)
    wrong = sorted(set(lectures) - set(NOTEBOOKS))
    if wrong:
        sys.exit(f"make_slides: lecture {wrong[0]}; allowed: 1 to {max(NOTEBOOKS)}.")
    folder = CHECKOUT / "outputs" / "slides"
    try:
        for path in write(arguments.language, lectures, arguments.unexecuted, folder):
            print(path)
    except CourseError as error:
        sys.exit(f"make_slides: {error}")


PAGE = """<!DOCTYPE html>
<html lang="zh">
<head>
<meta charset="utf-8"><title>{{ title }}</title>
<link rel="stylesheet" href="../reveal/dist/reset.css">
<link rel="stylesheet" href="../reveal/dist/reveal.css">
<style>
@font-face { font-family: "TinyBERTL Sans SC"; src: url("../reveal/TinyBERTLSansSC-Regular.ttf") }
body { background: #fff }
.reveal {
  font: 29px/1.42 "Noto Sans", "Noto Sans CJK SC", "TinyBERTL Sans SC", sans-serif;
  color: #1a1a1a;
}
.reveal .slides { text-align: left }
.reveal .slides > section { padding: 0 }
.reveal .slides > section > section {
  padding: 14px 26px; width: 100%; box-sizing: border-box;
}
.reveal h1 { font-size: 50px; line-height: 1.2; margin-bottom: 30px; color: #004a7c }
.reveal h2 { font-size: 38px; margin-bottom: 18px; color: #004a7c }
.reveal h3 { font-size: 33px; margin-bottom: 16px; color: #004a7c }
.reveal p { margin: 0 0 14px }
.reveal strong { font-weight: 700 }
.reveal em { font-style: italic }
.reveal ul, .reveal ol { margin: 0 0 14px 1.2em }
.reveal li { margin-bottom: 6px }
.reveal ul { list-style: disc }
.reveal ol { list-style: decimal }
.reveal code {
  font-family: ui-monospace, "DejaVu Sans Mono", "TinyBERTL Sans SC", monospace;
  font-size: .86em; background: #f1f3f5; padding: 0 4px;
}
.reveal pre code { display: block; padding: 12px; line-height: 1.3 }
.reveal a { color: #0057a3 }
.reveal details { margin-bottom: 14px }
.reveal summary { cursor: pointer; color: #0057a3 }
.reveal table { border-collapse: collapse; font-size: 21px }
.reveal th { font-weight: 700 }
.reveal th, .reveal td {
  padding: 4px 7px; border-bottom: 1px solid #bbb; text-align: left; vertical-align: top;
}
.reveal p.caption { font-weight: 700; margin: 0 0 10px; font-size: 25px }
.reveal img.figure { display: block; max-width: 1200px; max-height: 660px; margin: 0 auto }
.reveal p.running { font-size: 18px; color: #444; margin: 0 0 6px }
.reveal p.running ~ img.figure { max-height: 630px }
.reveal p.warning { color: #a40000; font-weight: 700 }
.reveal .slide-number { color: #444; background: none; font-size: 18px }
</style>
</head>
<body>
<div class="reveal"><div class="slides">
{% for slide in slides -%}
{% if slide.first or loop.first %}{% if not loop.first %}</section>{% endif %}<section>{% endif %}
<section>{{ slide.body }}<aside class="notes">
{%- for note in slide.notes %}<div>{{ note }}</div>{% endfor -%}
</aside></section>
{% endfor %}</section>
</div></div>
<script src="../reveal/dist/reveal.js"></script>
<script src="../reveal/plugin/notes/notes.js"></script>
<script>
const room = 690;
function fit(section) {  // tables are as long as their measurement made them
  if (!section) return;
  for (let zoom = 1; zoom > 0.4; zoom -= 0.03) {
    section.style.zoom = zoom;
    const fits = section.scrollHeight * zoom <= room;
    if (fits && section.scrollWidth <= section.clientWidth + 1) return;
  }
}
Reveal.initialize({
  width: 1240, height: 700, margin: 0.014, center: false, hash: true, transition: "none",
  slideNumber: "c/t", plugins: [RevealNotes],
}).then(() => fit(Reveal.getCurrentSlide()));
Reveal.on("slidechanged", event => fit(event.currentSlide));
document.addEventListener("toggle", () => fit(Reveal.getCurrentSlide()), true);
</script>
</body>
</html>
"""

if __name__ == "__main__":
    main()
