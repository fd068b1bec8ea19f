"""Run the lectures in full: `python tools/run_notebooks.py [--record] [LECTURE ...]`.

Executed copies go to outputs/notebooks; a table gives seconds, CPU seconds (which other programs on
the machine do not change) and errors, and the exit status is 1 if any cell failed. --record also
writes the verdicts to results/verdicts, which lecture 10 shows where a lecture was not run, and the
outputs of every demonstration to results/recorded, which a lecturer can show where a live run
fails. No page is recorded that holds an answer to an exercise or a hidden test.
"""

import argparse
import base64
import html
import io
import os
import resource
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
from tinybert_l.course.figures import EACH_LANGUAGE
from tinybert_l.course.tables import console, rows_table
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.leaks import read_secrets, require_none, scan_text

CHECKOUT = Path(__file__).resolve().parent.parent
BUDGET_SECONDS = 240
CORES = 2  # of the machine that the budget is meant for
FONT = "../../tinybert_l/course/fonts/TinyBERTLSansSC-Regular.ttf"
STYLE = " ".join(
    (
        f'@font-face {{ font-family: Own; src: url("{FONT}") }}',
        "body { font: 17px/1.5 sans-serif, Own; max-width: 75rem; margin: 2rem auto }",
        "img { max-width: 100% }",
        "pre { font-family: monospace, Own; white-space: pre-wrap }",
        "td, th { padding: 3px 9px; text-align: left; border-bottom: 1px solid #ccc }",
    )
)


def run(lecture: int, output: Path) -> tuple[float, float, list[str]]:
    """Execute a lecture; return seconds, CPU seconds and the errors of its cells."""
    name = NOTEBOOKS[lecture]
    folder = CHECKOUT / "notebooks" / name
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    begin, cpu_before = time.perf_counter(), cpu_seconds()
    NotebookClient(notebook, timeout=1800, kernel_name="python3", allow_errors=True).execute(
        cwd=str(folder)
    )
    seconds, cpu = time.perf_counter() - begin, cpu_seconds() - cpu_before
    if reduced():  # such figures are not published
        notebook.metadata["tinybert_l_reduced"] = True
    (output / name).mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output / name / f"{name}.ipynb")
    errors = []
    for cell in notebook.cells:
        for cell_output in cell.get("outputs", []):
            if cell_output.output_type == "error":
                errors.append(f"{cell_output.ename}: {cell_output.evalue[:200]}")
    return seconds, cpu, errors


def cpu_seconds() -> float:
    """Processor time of this process and of the kernels that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)


def recorded(lecture: int, notebook: nbformat.NotebookNode) -> str:
    """A page with the outputs of each demonstration of an executed lecture, under its headings."""
    today = provenance()
    versions = ", ".join(f"{name} {version}" for name, version in today["versions"].items())
    command = "python tools/run_notebooks.py --record"
    title = f"Lecture {lecture}, recorded 第{lecture}讲现场结果存档"
    parts = [
        f"<h1>{title}</h1><p><code>{command}</code>, {today['date'][:10]}; {versions}</p>",
    ]
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("## "):
                    parts.append(f"<h2>{html.escape(line.lstrip('# '))}</h2>")
        if "demo" in tags and "predict" not in tags:  # a form to fill in shows nothing
            for tag in tags:
                if tag.startswith(("figure-", "table-")):
                    parts.append(f"<h3>{tag}</h3>")
            parts += filter(None, map(output_html, cell.get("outputs", [])))
    head = f'<head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>'
    return (
        f'<!DOCTYPE html><html lang="zh">{head}<body><main>{"".join(parts)}</main></body></html>\n'
    )


def output_html(output: nbformat.NotebookNode) -> str:
    """Convert an output to HTML; progress bars and widgets are left out."""
    data = output.get("data", {})
    if "image/png" in data:
        small = io.BytesIO()
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        few_colours = picture.quantize(96, dither=Image.Dither.NONE).convert("RGB")
        few_colours.save(small, "WEBP", lossless=True, method=6)
        code = base64.b64encode(small.getvalue()).decode()
        alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""))
        return f'<p><img alt="{alt}" src="data:image/webp;base64,{code}"></p>'
    if "text/html" in data:
        return str(data["text/html"])
    if output.output_type == "stream" and output.name == "stdout":
        return f"<pre>{html.escape(output.text[-4000:])}</pre>"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "lectures",
        nargs="*",
        type=int,
        default=[*range(1, 10), 11, 10],
        help="run these lectures only",
    )
    parser.add_argument(
        "--record", action="store_true", help="write verdicts and outputs to results/"
    )
    arguments = parser.parse_args()
    rows = []
    failed = False
    output = CHECKOUT / "outputs" / "notebooks"
    for lecture in arguments.lectures:
        seconds, cpu, errors = run(lecture, output)
        failed |= bool(errors)
        is_late = cpu > BUDGET_SECONDS * CORES
        note = "; ".join(errors) or ("over budget 超时" if is_late else "")
        rows.append((NOTEBOOKS[lecture], f"{seconds:.0f}", f"{cpu:.0f}", note))
        print(f"{NOTEBOOKS[lecture]}: {seconds:.0f} s, CPU {cpu:.0f} s {note}", flush=True)
    totals = [f"{sum(float(row[column]) for row in rows):.0f}" for column in (1, 2)]
    console().print(
        rows_table(
            "Notebooks 笔记本",
            ("notebook", "seconds 秒", "CPU seconds", "note"),
            [*rows, ("total 合计", *totals, "")],
        )
    )
    if arguments.record and not failed and not reduced():
        shutil.copytree(
            cache_root() / "verdicts", CHECKOUT / "results" / "verdicts", dirs_exist_ok=True
        )
        secrets = read_secrets(CHECKOUT / "notebooks", CHECKOUT / "solutions")
        for lecture in arguments.lectures:
            name = NOTEBOOKS[lecture]
            page = recorded(lecture, nbformat.read(output / name / f"{name}.ipynb", as_version=4))
            require_none(scan_text(name, page, secrets), f"the recorded page {name}")
            write_atomically(CHECKOUT / "results" / "recorded" / f"{name}.html", page)
    sys.exit(failed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as runtime:
        os.environ.setdefault("JUPYTER_RUNTIME_DIR", runtime)
        os.environ.setdefault(EACH_LANGUAGE, "1")
        main()
