"""What all tests share: a cache of their own, small models, markers of lectures, the order."""

import contextlib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# two test processes and what they start share two cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

import tinybert_l.course.quick_imports  # noqa: F401  # before nbformat is imported

# isort: split
import quick_databases  # noqa: F401

# isort: split
from browser import PATIENCE
from cpu_seconds import CpuSeconds
from filelock import FileLock
from tests_support import CHROMIUM, build
from transformers import BertConfig, BertForSequenceClassification
from xdist.scheduler import LoadScopeScheduling

from tinybert_l.exercises import registry as exercise
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.model import ElasticBertForSequenceClassification

CHECKOUT = Path(__file__).resolve().parent.parent
# CPU seconds of the longest files, and of each test of a file in INDEPENDENT. They start first, so
# that both test processes end together. A file that is not listed counts as short; one of 40
# seconds or more is left out of `make check` as a whole.
SECONDS = {
    "test_docs_run.py": 180,
    "test_cli.py": 120,
    "test_grading_faults.py": 100,
    "test_attacks.py": 100,
    "test_accessible.py": 60,
    "test_grading_pipeline.py": 60,
    "test_browser_student.py": 50,
    "test_jupyterhub.py": 50,
    "test_browser_instructor.py": 50,
    "test_grading.py": 50,
    "test_journey.py": 50,
    "test_teacher.py": 50,
    "test_distributions.py": 40,
    "test_baselines.py": 30,
    "test_joint.py": 30,
    "test_lectures_solved.py": 25,
    "test_answers_sandboxed.py": 15,
    "test_lectures_released.py": 6,
}
# Files whose tests share nothing that is dear to make: each test may run in either process.
INDEPENDENT = {"test_lectures_released.py", "test_lectures_solved.py", "test_answers_sandboxed.py"}
torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption(
        "--nightly", action="store_true", help="run the tests that take minutes each, too"
    )
    parser.addoption("--cpu", action="store_true", help="show the CPU seconds of each test file")


def pytest_configure(config):
    if config.getoption("--cpu"):
        config.pluginmanager.register(CpuSeconds())
    for lecture in exercise.NOTEBOOKS:
        config.addinivalue_line("markers", f"lecture{lecture}: tests of lecture {lecture}")


class FilesTogether(LoadScopeScheduling):
    """Sends the tests of a file to one process in their order; those of INDEPENDENT to either."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if Path(file).name in INDEPENDENT else file


def pytest_xdist_make_scheduler(config, log):
    """Not --dist loadgroup: xdist 3.8 ignores its groups under pytest 9.2."""
    return FilesTogether(config, log)


@pytest.hookimpl(wrapper=True)  # before -m reads the markers
def pytest_collection_modifyitems(config, items):
    """Mark lectures and nightly tests; put the longest files first."""
    nightly = pytest.mark.skip(reason="takes minutes; `make nightly` runs it (pytest --nightly)")
    known = exercise.exercises()
    for item in items:
        if SECONDS.get(item.path.name, 0) >= 40:
            item.add_marker("slow")
        for lecture in lectures_of(item, known):
            item.add_marker(f"lecture{lecture}")
        if item.get_closest_marker("nightly") and not config.getoption("--nightly"):
            item.add_marker(nightly)
    items.sort(key=lambda item: -SECONDS.get(item.path.name, 0))
    return (yield)


def lectures_of(item: pytest.Item, known: Mapping[str, exercise.Exercise]) -> set[int]:
    """The lectures that a test is about, beside those that it is marked with.

    They are its parameter `lecture` and the lectures of the exercises that its parameters name.
    """
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    lectures = {parameters.get("lecture")}
    brackets = item.name.partition("[")[2]
    for word in re.findall(r"\w+", brackets):
        if word in known:
            lectures.add(known[word].lecture)
    return {lecture for lecture in lectures if lecture in exercise.NOTEBOOKS}


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def begun() -> dict[str, dict[str, Any]]:
    """What `begin` sets of every exercise, once all reference answers are loaded."""
    with contextlib.redirect_stdout(io.StringIO()):
        exercise.begin(1, demo=True)
    fields = ("reference", "peer_allowed", "formula_allowed")
    return {
        name: {field: getattr(entry, field) for field in fields}
        for name, entry in exercise.exercises().items()
    }


@pytest.fixture(autouse=True)
def all_answers(begun):
    """Every test starts with all reference answers and no student's, whatever ran before."""
    for name, entry in exercise.exercises().items():
        vars(entry).update(begun[name])
    yield
    exercise.forget_answers()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """One folder for all test processes of a run; who writes there takes a FileLock."""
    base = tmp_path_factory.getbasetemp()
    in_a_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = (base.parent if in_a_worker else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True, scope="session")
def own_cache(shared_folder):
    """A cache for this run, which its processes share; TINYBERT_L_TEST_CACHE names one to keep."""
    named = os.environ.get("TINYBERT_L_TEST_CACHE")
    os.environ["TINYBERT_L_CACHE"] = named or str(shared_folder / "cache")


@pytest.fixture(scope="session")
def student_wheel(checkout, shared_folder) -> Path:
    """The student's wheel, built once for all test processes."""
    folder = shared_folder / "student-wheel"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(checkout, folder, "wheel")
    (wheel,) = folder.glob("*.whl")
    return wheel


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
    """A random classifier with weights far enough from zero to tell its parts from each other."""
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
        chromium = p.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        open_page = chromium.new_page

        def new_page(**options):
            page = open_page(**options)
            page.set_default_timeout(PATIENCE)  # playwright's own is half a minute
            return page

        chromium.new_page = new_page
        yield chromium
        chromium.close()
