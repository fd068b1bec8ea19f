"""Run the lectures in full: `python tools/run_notebooks.py [--record] [LECTURE ...]`.

Executed copies go to outputs/notebooks; a table gives seconds and errors, and the exit status is 1 if any cell failed.
--record also writes the verdicts to results/verdicts, which lecture 10 shows where a lecture was not run, and what
every demonstration showed to results/recorded: what a lecturer falls back on where a live run fails.
"""

import argparse
import base64
import html
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from tinybert_l.cache import cache_root, provenance, write_atomically
from tinybert_l.course.experiments import reduced
from tinybert_l.course.tables import console, rows_table
from tinybert_l.exercises.registry import NOTEBOOKS

CHECKOUT = Path(__file__).resolve().parent.parent
BUDGET_SECONDS = 240


def run(lecture: int, output: Path) -> tuple[float, list[str]]:
    """Execute one lecture; returns seconds and the errors of its cells."""
    name = NOTEBOOKS[lecture]
    folder = CHECKOUT / "notebooks" / name
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    begin = time.perf_counter()
    NotebookClient(notebook, timeout=1800, kernel_name="python3", allow_errors=True).execute(
        cwd=str(folder)
    )
    seconds = time.perf_counter() - begin
    (output / name).mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output / name / f"{name}.ipynb")
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", []))
    return seconds, [f"{o.ename}: {o.evalue[:200]}" for o in outputs if o.output_type == "error"]


def recorded(lecture: int, notebook: nbformat.NotebookNode) -> str:
    """A page with what each demonstration of an executed lecture showed, under the headings it stands under."""
    made = provenance()
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items())
    title = f"Lecture {lecture}, recorded 第{lecture}讲现场结果存档"
    parts = [
        f"<h1>{title}</h1><p><code>python tools/run_notebooks.py --record</code>, {made['date'][:10]}; {versions}</p>"
    ]
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            parts += [
                f"<h2>{html.escape(x.lstrip('# '))}</h2>"
                for x in cell.source.splitlines()
                if x.startswith("## ")
            ]
        if "demo" in tags:
            parts += [f"<h3>{tag}</h3>" for tag in tags if tag.startswith(("figure-", "table-"))]
            parts += filter(None, map(shown, cell.get("outputs", [])))
    style = (
        '@font-face { font-family: Own; src: url("../../tinybert_l/course/fonts/TinyBERTLSansSC-Regular.ttf") } '
        "body { font: 17px/1.5 sans-serif, Own; max-width: 75rem; margin: 2rem auto } img { max-width: 100% } "
        "pre { font-family: monospace, Own; white-space: pre-wrap } "
        "td, th { padding: 3px 9px; text-align: left; border-bottom: 1px solid #ccc }"
    )
    head = f'<head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>'
    return (
        f'<!DOCTYPE html><html lang="zh">{head}<body><main>{"".join(parts)}</main></body></html>\n'
    )


def shown(output: nbformat.NotebookNode) -> str:
    """One output as HTML; progress bars and widgets are left out."""
    data = output.get("data", {})
    if "image/png" in data:
        small = io.BytesIO()
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        picture.quantize(96, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""))
        return f'<p><img alt="{alt}" src="data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"></p>'
    if "text/html" in data:
        return str(data["text/html"])
    if output.output_type == "stream" and output.name == "stdout":
        return f"<pre>{html.escape(output.text[-4000:])}</pre>"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lectures", nargs="*", type=int, default=[*range(1, 10), 11, 10])
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    rows, failed = [], False
    output = CHECKOUT / "outputs" / "notebooks"
    for lecture in arguments.lectures:
        seconds, errors = run(lecture, output)
        failed |= bool(errors)
        note = "; ".join(errors) or ("over budget 超时" if seconds > BUDGET_SECONDS else "")
        rows.append((NOTEBOOKS[lecture], f"{seconds:.0f}", note))
        print(f"{NOTEBOOKS[lecture]}: {seconds:.0f} s {note}", flush=True)
    total = f"{sum(float(row[1]) for row in rows):.0f}"
    console().print(
        rows_table(
            "Notebooks 笔记本",
            ("notebook", "seconds 秒", "note"),
            [*rows, ("total 合计", total, "")],
        )
    )
    if arguments.record and not failed and not reduced():
        shutil.copytree(
            cache_root() / "verdicts", CHECKOUT / "results" / "verdicts", dirs_exist_ok=True
        )
        for lecture in arguments.lectures:
            name = NOTEBOOKS[lecture]
            page = recorded(lecture, nbformat.read(output / name / f"{name}.ipynb", as_version=4))
            write_atomically(CHECKOUT / "results" / "recorded" / f"{name}.html", page)
    sys.exit(failed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as runtime:
        os.environ.setdefault("JUPYTER_RUNTIME_DIR", runtime)
        main()
