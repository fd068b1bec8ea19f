"""Small models made on the spot; no network, no download, an own cache for every run."""

import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # two test processes and their kernels share two cores

import pytest
import torch
from tests_support import CHROMIUM
from transformers import BertConfig, BertForSequenceClassification

from tinybert_l.exercises import registry as exercise
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.model import ElasticBertForSequenceClassification

CHECKOUT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # two test processes share two cores


def pytest_collection_modifyitems(items):
    """The files with most slow tests come first, so that no process is left with one of them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture(autouse=True)
def all_answers(request, capsys):
    """Every test starts with all reference answers and no student's, whatever ran before."""
    exercise.begin(1, demo=True)
    capsys.readouterr()
    yield
    exercise.forget_answers()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Nothing is read from or written to the user's cache. Both test processes may share one that is named."""
    if "TINYBERT_L_TEST_CACHE" in os.environ:
        os.environ["TINYBERT_L_CACHE"] = os.environ["TINYBERT_L_TEST_CACHE"]
    else:
        os.environ["TINYBERT_L_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def bert_config(**changes) -> BertConfig:
    settings = {
        "vocab_size": 60,
        "hidden_size": 24,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
    }
    return BertConfig(**{**settings, **changes})


def small_bert(seed: int = 0, **changes) -> BertForSequenceClassification:
    """A random classifier whose weights are far enough from zero to tell its parts from each other."""
    torch.manual_seed(seed)
    model = BertForSequenceClassification(bert_config(**changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def bert() -> BertForSequenceClassification:
    return small_bert()


@pytest.fixture
def supernet(bert) -> ElasticBertForSequenceClassification:
    return elastic_copy(bert)


@pytest.fixture
def padded() -> dict[str, torch.Tensor]:
    """Three texts of 9, 5 and 1 tokens."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([9, 5, 1])
    return {
        "input_ids": torch.randint(0, 60, (3, 9), generator=generator),
        "attention_mask": (torch.arange(9) < lengths[:, None]).long(),
    }


@pytest.fixture
def texts() -> Encoded:
    """Forty short texts whose label is whether they start with a large token id."""
    generator = torch.Generator().manual_seed(1)
    ids = [
        torch.randint(1, 60, (int(n),), generator=generator).tolist()
        for n in torch.arange(40) % 7 + 2
    ]
    return Encoded(ids, [int(row[0] > 30) for row in ids], 0)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        one = p.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield one
        one.close()
