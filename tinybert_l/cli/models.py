"""The commands that train, measure and export models.

torch takes seconds to import, so that only running a command does it: `--help` stays quick. No
lecture is begun here: the method's own functions run, in every install.
"""

from collections.abc import Callable
from pathlib import Path

import click

from tinybert_l.cli import tables
from tinybert_l.cli.options import (
    FILE_OR_FOLDER,
    NEW_FOLDER,
    ModelOptions,
    model_options,
    output_option,
    require_onnx,
    require_writable,
)


@click.command()
@model_options(from_scratch=True)
def teacher(options: ModelOptions) -> None:
    """Fine-tune the teacher, on embedded reviews or your own texts."""
    loaded = options.load_teacher()
    accuracy = 100 * loaded.metrics["test_accuracy"]
    click.echo(f"test accuracy {accuracy:.1f} %; kept in {loaded.folder}")


@click.command()
@model_options(from_scratch=True)
def train(options: ModelOptions) -> None:
    """Train the student's nine sub-models jointly.

    Trains the teacher first, where the cache has none. Several processes share the work under
    `torchrun -m tinybert_l.cli train`.
    """
    from tinybert_l.method.processes import is_main_process

    supernet = options.load_supernet()
    if is_main_process():
        count = len(supernet.recipe.sub_models())
        click.echo(f"{count} sub-models; kept in {supernet.folder}")


@click.command()
@model_options()
@output_option
def evaluate(options: ModelOptions, output: Path) -> None:
    """Measure accuracy, size and speed of every sub-model.

    Measures the teacher too. Writes results.json and a picture of the trade-off.
    """
    from tinybert_l.course.measuring import measure_trade_off

    require_writable(output)
    trade_off = measure_trade_off(options.load_supernet(), output, options.seconds)
    tables.show_trade_off(trade_off)


@click.command()
@click.argument("sub_model", metavar="SUB_MODEL")
@click.option(
    "--to",
    type=NEW_FOLDER,
    help="Write into this folder. Default: outputs/export/SUB_MODEL.",
)
@click.option(
    "--vocabulary",
    type=click.IntRange(min=1),
    help="Keep only so many word pieces, the most frequent of the training texts, for smaller "
    "files. Default: all.",
)
@model_options()
def export(options: ModelOptions, sub_model: str, to: Path | None, vocabulary: int | None) -> None:
    """Write one SUB_MODEL, such as 3x0.5, as safetensors and ONNX.

    Writes ONNX in float32 and int8, and the measured numbers of each format.
    """
    from tinybert_l.method.export import export_all

    chosen = options.find_sub_model(sub_model)
    folder = to or Path("outputs") / "export" / sub_model
    _require_exportable(folder)
    supernet = options.load_supernet()
    numbers = export_all(supernet, chosen, folder, options.seconds, vocabulary)
    tables.show_export(numbers["rows"], folder)


@click.command()
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="Allow at most so many milliseconds for one text.",
)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx", "onnx-int8"]),
    default="torch",
    show_default=True,
    help="Measure the sub-models in this program; onnx and onnx-int8 run the other files that "
    "export writes.",
)
@model_options()
def choose(options: ModelOptions, max_latency_ms: float, runtime: str) -> None:
    """Choose the most accurate sub-model that answers in time.

    Measures every sub-model's latency on this machine, and its accuracy on the validation texts.
    """
    from tinybert_l.course.measuring import choose_candidate, measure_candidates

    _require_runtime(runtime)
    candidates = measure_candidates(options.load_supernet(), runtime, options.seconds)
    tables.show_candidates(candidates, runtime)
    click.echo(f"chosen: {choose_candidate(candidates, max_latency_ms)}")


@click.command()
@click.argument("file", type=FILE_OR_FOLDER)
@click.option(
    "--test",
    type=FILE_OR_FOLDER,
    help="Measure on the questions of this file. Default: FILE, that is on training questions.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=240,
    show_default=True,
    help="Train jointly for so many steps.",
)
@model_options(precision=False, data=False)
def questions(options: ModelOptions, file: Path, test: Path | None, steps: int) -> None:
    """Learn to answer questions from a FILE; measure sub-models.

    FILE is in SQuAD's JSON format, or a folder of `datasets`. An answer may have up to thirty
    tokens.
    """
    from tinybert_l.course.measuring import learn_questions

    num_steps, batch_size = (4, 4) if options.quick else (steps, 32)
    scores, count = learn_questions(file, test or file, num_steps, batch_size, options.seed)
    tables.show_reader_scores(scores, count, seen=test is None)


@click.command()
def prepare() -> None:
    """Train everything that the notebooks take from the cache.

    Then the lectures begin at once. Teacher, supernet, question answering and language model take
    fifteen to thirty minutes on two cores, the first time.
    """
    steps = _steps_of_prepare()
    for number, (name, load) in enumerate(steps.items(), 1):
        click.echo(f"{number}/{len(steps)} {name}")
        load()
    click.echo("The cache is warm. 缓存已就绪。")


def _require_exportable(folder: Path) -> None:
    """Raise an error, before anything is trained, where nothing could be written at the end."""
    require_writable(folder)
    _require_runtime("onnx")


def _require_runtime(runtime: str) -> None:
    """Raise an error, before anything is trained, where this runtime is not installed."""
    if runtime != "torch":
        require_onnx()


def _steps_of_prepare() -> dict[str, Callable[[], object]]:
    from tinybert_l.course import experiments

    return {
        "teacher and supernet 教师与超网络": experiments.open_supernet,
        "questions 问答": experiments.open_reader,
        "language model 语言模型": experiments.open_writer,
    }
