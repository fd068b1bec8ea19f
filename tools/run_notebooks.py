"""Run the lectures in full: `python tools/run_notebooks.py [--record] [LECTURE ...]`.

Executed copies go to outputs/notebooks; a table gives seconds and errors, and the exit status is 1 if any cell failed.
--record also writes the verdicts to results/verdicts, which lecture 10 shows where a lecture was not run.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tinybert_l.cache import cache_root
from tinybert_l.exercise import NOTEBOOKS
from tinybert_l.experiments import reduced
from tinybert_l.tables import console, rows_table

CHECKOUT = Path(__file__).resolve().parent.parent
BUDGET_SECONDS = 240


def run(lecture: int, output: Path) -> tuple[float, list[str]]:
    """Execute one lecture; returns seconds and the errors of its cells."""
    name = NOTEBOOKS[lecture]
    folder = CHECKOUT / "notebooks" / name
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    begin = time.perf_counter()
    NotebookClient(notebook, timeout=1800, kernel_name="python3", allow_errors=True).execute(cwd=str(folder))
    seconds = time.perf_counter() - begin
    (output / name).mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output / name / f"{name}.ipynb")
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", []))
    return seconds, [f"{o.ename}: {o.evalue[:200]}" for o in outputs if o.output_type == "error"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
        rows_table("Notebooks 笔记本", ("notebook", "seconds 秒", "note"), [*rows, ("total 合计", total, "")])
    )
    if arguments.record and not failed and not reduced():
        shutil.copytree(cache_root() / "verdicts", CHECKOUT / "results" / "verdicts", dirs_exist_ok=True)
    sys.exit(failed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as runtime:
        os.environ.setdefault("JUPYTER_RUNTIME_DIR", runtime)
        main()
