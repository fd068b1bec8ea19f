"""Helpers of several test files: a small model, notebooks in kernels, distributions, Chromium."""

import shutil
import subprocess
import sys
from pathlib import Path

import torch
from nbclient import NotebookClient
from nbformat import NotebookNode

from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.tasks.generation import ElasticBertForCausalLM


def small_causal_model() -> ElasticBertForCausalLM:
    """A random language model of 4 layers over 50 tokens; its weights are not close to zero."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4}
    model = ElasticBertForCausalLM(
        ElasticBertConfig(**sizes, intermediate_size=32, max_position_embeddings=60)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def texts_of_topics() -> list[tuple[str, str]]:
    """140 texts with one of three labels each: who trains on the same ones, trains once a run."""
    words = {
        "sport": ["match", "goal", "team", "race"],
        "money": ["bank", "price", "market", "tax"],
        "food": ["soup", "rice"],
    }
    return [
        (f"the {word} of week {n}, said someone", topic)
        for topic, chosen in words.items()
        for word in chosen
        for n in range(14)
    ]


def execute(notebook: NotebookNode, folder: Path, timeout: int = 60) -> None:
    """Run a notebook in place in a kernel of its own, as JupyterLab does.

    `warm.run_notebook` does without a kernel and is far quicker.
    """
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", allow_errors=True)
    client.execute(cwd=str(folder))


def shown_kinds(notebook: NotebookNode) -> list[list[str]]:
    """List what each code cell shows: MIME types, stdout, messages of errors.

    Values are left out, for they differ from run to run, and so are progress bars (on stderr, in a
    kernel widgets) and what stands beside a widget (in a kernel it holds it, elsewhere the cell).
    """
    return [_kinds(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell: NotebookNode) -> list[str]:
    kinds = [str(cell.execution_count)]
    for output in cell.outputs:
        if output.output_type == "error":
            kinds.append(f"{output.ename}: {output.evalue}")
        elif output.output_type == "stream":
            # a kernel sends what a cell prints in pieces, as many as time and stderr make of it
            if output.name == "stdout" and kinds[-1] != "stdout":
                kinds.append("stdout")
        elif "application/vnd.jupyter.widget-view+json" in output.data:
            if "%|" in output.data["text/plain"]:
                continue
            if kinds[-1] == "stdout":
                kinds.pop()
            return [*kinds, "widget"]
        else:
            kinds += sorted(output.data)
    return kinds


def build(folder: Path, into: Path, kind: str) -> Path:
    """Build the project in `folder` with hatchling; `kind` is "wheel" or "sdist"."""
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.iterdir())
    code = f"import sys; from hatchling.build import build_{kind} as build; build(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(into)], cwd=folder, check=True)
    (distribution,) = set(into.iterdir()) - before
    return distribution


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
