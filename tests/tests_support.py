"""A small language model, a notebook's run in a kernel, and the browser: what several test files need."""

import shutil
from pathlib import Path

import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode

from tinybert_l.method.model import ElasticBertConfig
from tinybert_l.tasks.generation import ElasticBertForCausalLM


def small_causal_model() -> ElasticBertForCausalLM:
    """A random language model of 4 layers over 50 tokens, with weights far enough from zero to matter."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4}
    model = ElasticBertForCausalLM(
        ElasticBertConfig(**sizes, intermediate_size=32, max_position_embeddings=60)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def execute_in_kernel(notebook: NotebookNode, folder: Path, timeout: int = 240) -> None:
    """Run a notebook in place in a kernel of its own, as JupyterLab does; `warm.run_notebook` is far quicker.

    Once in some thousands of cells, ipykernel 7 loses a message between its threads: the kernel is idle, and the
    client waits for ever. So a cell that takes too long is given a second chance, in a new kernel; an endless loop
    has none.
    """
    for last in (False, True):
        client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", allow_errors=True)
        try:
            client.execute(cwd=str(folder))
            return
        except CellTimeoutError:
            if last:
                raise


def shown_kinds(notebook: NotebookNode) -> list[list[str]]:
    """What each code cell shows, without what differs from run to run: MIME types, streams, messages of errors.

    Left out is what stands beside a widget: in a kernel the widget holds it, elsewhere the cell.
    """
    return [_kinds(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell: NotebookNode) -> list[str]:
    kinds = [str(cell.execution_count)]
    for output in cell.outputs:
        if output.output_type == "error":
            kinds.append(f"{output.ename}: {output.evalue}")
        elif output.output_type == "stream":
            kinds.append(output.name)
        elif "application/vnd.jupyter.widget-view+json" in output.data:
            return [*kinds, "widget"]
        else:
            kinds += sorted(output.data)
    return kinds


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
