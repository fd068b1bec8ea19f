"""Models that several test files make."""

import shutil

import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

from tinybert_l.method.config import ElasticBertConfig
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


def execute(notebook, folder, timeout: int = 240) -> None:
    """Run a notebook in place, in a kernel of its own.

    Once in some thousands of cells, ipykernel 7 loses a message between its threads: the kernel is idle, and the client
    waits for ever. So a cell that takes too long is given a second chance, in a new kernel; an endless loop has none.
    """
    for last in (False, True):
        try:
            NotebookClient(
                notebook, timeout=timeout, kernel_name="python3", allow_errors=True
            ).execute(cwd=str(folder))
            return
        except CellTimeoutError:
            if last:
                raise


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
