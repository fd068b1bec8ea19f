"""Predictions: kept with a hash before the result, shown beside it, and counted at the end."""

import ast
import builtins
import json
import re

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode

from tinybert_l.course import calibration, evidence, home, prediction_log, predictions
from tinybert_l.course.authoring import in_language
from tinybert_l.course.evidence.from_records import missing
from tinybert_l.course.lab import WIDGET
from tinybert_l.course.prediction_questions import QUESTIONS
from tinybert_l.course.predictions import predict, show_answer
from tinybert_l.course.record_types import written_interval
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS

NAME = NOTEBOOKS[1]
SHARE = "embedding-share"
CHOICE = "more-accurate"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a released lecture 1, as the working folder of a new process."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nbformat.write(notebook, tmp_path / f"{NAME}.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prediction_log, "_NOT_HELD", {})
    return tmp_path


@pytest.fixture
def file(folder):
    return folder / f"{NAME}.predictions.json"


def tree(file):
    return json.loads(file.read_text(encoding="utf-8"))


def test_a_prediction_is_stored_with_a_hash_of_value_and_time(file, capsys):
    predict(SHARE, low=40, high=60.5)
    (entry,) = tree(file)["entries"]
    assert entry["value"] == {"low": 40.0, "high": 60.5} and len(entry["hash"]) == 64
    shown = capsys.readouterr().out
    assert (
        "you 你: 40 to 60.5 %" in shown and entry["hash"][:12] in shown and entry["time"] in shown
    )
    for field, other in (("time", "2020-01-01 00:00:00 UTC"), ("value", {"low": 1, "high": 2})):
        (changed,) = prediction_log._entries([entry | {field: other}], "here")
        assert prediction_log.unchanged((changed,)) == ()


def test_dots_mean_no_prediction_and_write_nothing(file, capsys):
    predict(SHARE, low=..., high=...)
    predict(CHOICE, choice=...)
    assert not file.exists()
    shown = capsys.readouterr().out
    assert shown.count("no prediction 未作预测") == 2 and "'soft' soft labels 软标签" in shown


def test_the_same_value_again_is_no_change_and_another_one_is_kept_beside_it(file):
    for low in (40, 40, 45, 45):
        predict(SHARE, low=low, high=60)
    assert [entry["value"]["low"] for entry in tree(file)["entries"]] == [40, 45]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(40, 60, "your interval holds it"), (10, 20, "outside your interval"), (50, 50, "holds it")],
)
def test_the_result_is_shown_beside_the_prediction(folder, capsys, low, high, words):
    predict(SHARE, low=low, high=high)
    capsys.readouterr()
    show_answer(SHARE, [45.0, 55.0])
    shown = capsys.readouterr().out
    assert "measured 实测: 50 % (45 to 55, 2 live runs 次现场运行)" in shown and words in shown


def test_without_a_prediction_the_result_is_shown_all_the_same(folder, capsys):
    show_answer(SHARE, 50.0)
    assert "no prediction 未作预测; measured 实测: 50.0 %\n" in capsys.readouterr().out


def test_a_record_shows_its_number_interval_and_name(folder, capsys):
    gap = evidence.from_record(
        "ablation", "difference_points", key="2x0.25", variant="smallest_alone"
    )
    show_answer("alone-minus-joint", gap)
    mean, low, high = written_interval(gap.mean, gap.low, gap.high)
    shown = capsys.readouterr().out
    assert f"{mean} points ({low} to {high}), record 记录 ablation" in shown
    show_answer("alone-minus-joint", missing("ablation", "difference_points", ""))
    assert "no record 无记录" in capsys.readouterr().out


@pytest.mark.parametrize(("right", "words"), [("soft", "right 猜对了"), ("hard", "not so 没猜对")])
def test_a_choice_is_compared_with_what_was_measured(folder, capsys, right, words):
    predict(CHOICE, choice="soft")
    show_answer(CHOICE, right)
    assert words in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="'warm'"):
        show_answer(CHOICE, "warm")


def test_what_is_written_after_the_result_does_not_count(folder, capsys):
    predict(SHARE, low=10, high=20)
    show_answer(SHARE, 50.0)
    predict(SHARE, low=49, high=51)
    show_answer(SHARE, 50.0)
    assert capsys.readouterr().out.count("看过结果后写的不计") == 2
    assert predictions.history(SHARE).held is False


def test_a_prediction_that_was_changed_in_the_file_is_seen_and_does_not_count(file, capsys):
    predict(SHARE, low=10, high=20)
    show_answer(SHARE, 50.0)
    forged = tree(file)
    forged["entries"][0]["value"] = {"low": 49.0, "high": 51.0}
    file.write_text(json.dumps(forged), encoding="utf-8")
    capsys.readouterr()
    show_answer(SHARE, 50.0)
    shown = capsys.readouterr().out
    assert "no prediction" in shown and "changed after it was stored" in shown
    assert calibration.calibration().intervals == ()


def test_an_entry_that_was_taken_out_is_seen(file):
    for low in (1, 2, 3):
        predict(SHARE, low=low, high=60)
    forged = tree(file)
    del forged["entries"][1]
    file.write_text(json.dumps(forged), encoding="utf-8")
    assert predictions.history(SHARE).tampered


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "unknown"}, "name='unknown'; allowed: embedding-share"),
        ({"low": 3}, r"high=\.\.\.; allowed: a finite number"),
        ({"low": 3, "high": 2}, "low=3, high=2; allowed: low ≤ high"),
        ({"low": float("nan"), "high": 2}, "low=nan"),
        ({"low": True, "high": 2}, "low=True"),
        ({"low": "3", "high": 2}, "low='3'"),
        ({"low": 3, "high": 10**400}, "high=1000"),
        ({"choice": "soft"}, "choice='soft'; allowed: low, high"),
        ({"name": CHOICE, "low": 1}, "allowed: choice"),
        ({"name": CHOICE, "choice": "x" * 999}, "allowed: 'hard', 'soft', 'undecided'"),
    ],
)
def test_a_wrong_value_is_named_and_not_stored(file, arguments, words):
    with pytest.raises(InvalidInput, match=words):
        predict(**{"name": SHARE, **arguments})
    assert not file.exists()


HOSTILE = [
    "{",
    "[]",
    "[" * 100_000,
    '{"schema": 2, "entries": []}',
    '{"schema": 1, "entries": {}}',
    '{"schema": 1, "entries": [1]}',
    '{"schema": 1, "entries": [{"name": "\\u001b[2J"}]}',
    "9" * 5000,
    " " * 1_100_000,
    *(
        json.dumps({"schema": 1, "entries": [{**entry, "name": SHARE, "time": "", "hash": ""}]})
        for entry in (
            {"kind": "prediction", "value": {"low": "a", "high": 1}},
            {"kind": "prediction", "value": {"low": 1e400, "high": 1}},
            {"kind": "result", "value": {"low": 1, "high": 1}},
            {"kind": "points", "value": {"mean": 1}},
            {"kind": "result", "value": {"choice": "x" * 1000}},
        )
    ),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_damaged_file_gives_a_plain_message_and_stays(file, capsys, content):
    file.write_text(content, encoding="utf-8")
    predict(SHARE, low=1, high=2)
    show_answer(SHARE, 50.0)
    calibration.show_calibration()
    shown = capsys.readouterr().out
    assert str(file.name) in shown and "measured 实测: 50.0 %" in shown and "\x1b" not in shown
    assert file.read_text(encoding="utf-8") == content


def test_a_folder_in_the_place_of_the_file_is_named(file, capsys):
    file.mkdir()
    predict(SHARE, low=1, high=2)
    assert "no file of at most" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["empty folder", "lecturer's source", "read-only folder"])
def test_where_there_is_no_place_nothing_is_written_and_it_lasts_in_memory(
    folder, file, capsys, monkeypatch, where
):
    """As in the sandbox, in Colab, and in a lecturer's checkout."""
    notebook = folder / f"{NAME}.ipynb"
    if where == "empty folder":
        notebook.unlink()
    elif where == "lecturer's source":
        notebook.write_text(notebook.read_text() + "\n### BEGIN HIDDEN TESTS")
    else:

        def refuse(*_):
            raise PermissionError(13, "read-only")

        monkeypatch.setattr(prediction_log, "write_atomically", refuse)
    before = sorted(folder.iterdir())
    if where == "lecturer's source":
        monkeypatch.setattr(prediction_log, "find_own_notebook", lambda name: None)
    predict(SHARE, low=40, high=60)
    show_answer(SHARE, 50.0)
    assert sorted(folder.iterdir()) == before
    if where != "read-only folder":
        assert not predictions._show_form(SHARE, "")  # and ipywidgets are not imported
    shown = capsys.readouterr().out
    assert "kept while this kernel runs" in shown and "your interval holds it" in shown


def test_the_calibration_counts_intervals_that_held_and_choices_apart(folder, capsys, monkeypatch):
    monkeypatch.setattr(calibration, "figure_of", lambda own: None)
    alts = []
    monkeypatch.setattr("tinybert_l.course.figures.show", lambda figure, alt: alts.append(alt))
    predict(SHARE, low=40, high=60)
    predict("threes-hard-labels", low=10, high=20)
    predict("threes-soft-labels", low=10, high=20)
    predict(CHOICE, choice="soft")
    show_answer(SHARE, 50.0)
    show_answer("threes-hard-labels", 0.0)
    show_answer(CHOICE, "hard")
    own = calibration.calibration()
    assert (own.num_held, len(own.intervals), own.num_right, len(own.choices)) == (1, 2, 0, 1)
    assert [calibration.place_of(known) for known in own.intervals] == [0.0, -3.0]
    calibration.show_calibration()
    shown = capsys.readouterr().out
    assert "measured value 包含实测值的区间: 1/2" in shown and "选择题: 0/1" in shown
    assert "3s recognised, 0/1 labels" in alts[0] and "1/2 hold" in alts[0]


def test_the_figure_shows_each_interval(folder):
    predict(SHARE, low=50, high=50)
    show_answer(SHARE, 51.0)
    own = calibration.calibration()
    figure = calibration.figure_of(own)
    (axes,) = figure.axes
    assert len(axes.get_yticks()) == 1 and calibration.place_of(own.intervals[0]) == 4.0


def test_without_predictions_the_calibration_is_a_line(folder, capsys):
    calibration.show_calibration()
    assert "no interval was stored before its result" in capsys.readouterr().out


def test_how_many_would_hold_of_someone_who_is_calibrated():
    known = (predictions.History(SHARE, None, None, False, False),) * 20
    assert calibration.Calibration(known, ()).expected == (15, 20)


def test_predictions_of_other_lectures_are_found_in_folders_beside(folder, monkeypatch, tmp_path):
    predict(SHARE, low=40, high=60)
    show_answer(SHARE, 50.0)
    (folder / NAME).mkdir()
    for path in folder.glob(f"{NAME}.*"):
        path.rename(folder / NAME / path.name)
    (folder / NOTEBOOKS[10]).mkdir()
    monkeypatch.chdir(folder / NOTEBOOKS[10])
    assert len(calibration.calibration().intervals) == 1


def test_a_saved_notebook_carries_its_predictions_and_gives_them_back(folder, file):
    """Through the hook of the server that `tinybert-l lab` starts."""
    predict(SHARE, low=40, high=60)
    path = folder / f"{NAME}.ipynb"
    content = nbformat.read(path, as_version=4)
    manager = type("Manager", (), {"root_dir": str(folder)})
    model = {"type": "notebook", "content": content}
    prediction_log.carry_on_save(model=model, path=f"/{path.name}", contents_manager=manager)
    nbformat.write(content, path)
    kept = tree(file)["entries"]
    assert content.metadata[prediction_log.METADATA] == kept
    file.unlink()
    assert predictions.history(SHARE).prediction.value == {"low": 40.0, "high": 60.0}
    file.write_text("{", encoding="utf-8")
    other = nbformat.v4.new_notebook()
    prediction_log.carry_into(other.metadata, path)
    assert not other.metadata


def test_the_server_saves_a_notebook_with_predictions_and_without_forms(folder, file, checkout):
    from traitlets.config import PyFileConfigLoader

    settings = checkout / "tinybert_l" / "course" / "jupyter"
    loaded = PyFileConfigLoader("jupyter_server_config.py", str(settings)).load_config()
    predict(SHARE, low=40, high=60)
    path = folder / f"{NAME}.ipynb"
    content = nbformat.read(path, as_version=4)
    data = {WIDGET: {"model_id": "1"}, "text/plain": "Run this cell"}
    shown = nbformat.v4.new_output("display_data", data)
    content.cells.append(nbformat.v4.new_code_cell("predict()", outputs=[shown]))
    manager = type("Manager", (), {"root_dir": str(folder)})
    model = {"type": "notebook", "content": content}
    loaded.FileContentsManager.pre_save_hook(
        model=model, path=f"/{path.name}", contents_manager=manager
    )
    assert content.metadata[prediction_log.METADATA] == tree(file)["entries"]
    assert shown.data == {"text/plain": "Run this cell"}


def test_handing_in_carries_predictions_and_a_damaged_file_does_not_stop_it(
    folder, file, checkout, monkeypatch
):
    source = checkout / "notebooks" / NAME / f"{NAME}.ipynb"
    released = nbformat.read(source, as_version=4)
    for cell in released.cells:
        cell.source = cell.source.replace("### BEGIN HIDDEN TESTS", "")
    nbformat.write(released, folder / f"{NAME}.ipynb")
    monkeypatch.setattr(home.handing_in, "rows_of", lambda *_: [])
    packed = []
    monkeypatch.setattr(
        home.handing_in, "_zipped", lambda name, content: packed.append(content) or b""
    )
    predict(SHARE, low=40, high=60)
    home.hand_in(folder / f"{NAME}.ipynb", "ann", folder / "out")
    file.write_text("{", encoding="utf-8")
    home.hand_in(folder / f"{NAME}.ipynb", "ann", folder / "out")
    first, second = (json.loads(content)["metadata"] for content in packed)
    assert first[prediction_log.METADATA][0]["name"] == SHARE
    assert prediction_log.METADATA not in second


def test_the_form_stores_what_is_typed_and_names_what_is_wrong(file, monkeypatch):
    import tinybert_l.course.prediction_form as form

    shown, bundles, box = [], [], form.widgets.VBox
    monkeypatch.setattr(form.widgets, "VBox", lambda parts: shown.append(box(parts)) or shown[-1])
    monkeypatch.setattr(form, "display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.setattr(form, "get_ipython", lambda: InteractiveShell)
    predict(SHARE, low=..., high=...)
    said, line = shown[0].children
    assert "Run this cell" in bundles[0]["text/plain"]
    low, high, button = line.children
    low.value, high.value = "40", "sixty"
    button.click()
    assert "&#x27;sixty&#x27;; allowed: a number" in said.value and not file.exists()
    high.value = "60 %"
    button.click()
    assert "you 你: 40 to 60 %" in said.value
    assert tree(file)["entries"][0]["value"] == {"low": 40.0, "high": 60.0}
    predict(CHOICE, choice=...)
    choice, button = shown[1].children[1].children
    choice.value = "soft"
    button.click()
    assert predictions.history(CHOICE).prediction.value == {"choice": "soft"}
    predict(CHOICE, choice=...)
    assert shown[2].children[1].children[0].value == "soft"


def test_without_ipywidgets_a_plain_line_is_shown(file, capsys, monkeypatch):
    real = builtins.__import__

    def without_widgets(name, *rest):
        if name.partition(".")[0] == "ipywidgets" or name.endswith("prediction_form"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_widgets)
    predict(SHARE, low=..., high=...)
    predict(SHARE, low=40, high=60)
    assert "no prediction" in capsys.readouterr().out.splitlines()[0] and file.is_file()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_course_in_one_language_shows_that_language_alone(folder, capsys, monkeypatch, language):
    monkeypatch.setenv("TINYBERT_L_LANGUAGE", language)
    monkeypatch.setattr("tinybert_l.course.figures.show", lambda figure, alt: print(alt))
    for lecture in NOTEBOOKS.values():
        (folder / f"{lecture}.ipynb").write_bytes((folder / f"{NAME}.ipynb").read_bytes())
    for name, question in QUESTIONS.items():
        predict(name)
        first = next(iter(question.labels), None)
        predict(name, **({"choice": first} if first else {"low": 1, "high": 2}))
        show_answer(name, first or [1.5, 3.0])
    show_answer(SHARE, None)
    calibration.show_calibration()
    shown = capsys.readouterr().out
    foreign = r"[\u4e00-\u9fff]" if language == "en" else r"\b(?:you|measured|runs|to|the|of)\b"
    assert not re.findall(f".*{foreign}.*", shown)
    assert len(shown.splitlines()) >= 3 * len(QUESTIONS)


# The notebooks


def cells_of(checkout, lecture: int) -> list[NotebookNode]:
    name = NOTEBOOKS[lecture]
    return nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4).cells


def names_called(cell: NotebookNode, function: str) -> list[str]:
    """The first arguments of the calls of a function in a code cell."""
    if cell.cell_type != "code" or f"{function}(" not in cell.source:
        return []
    names = []
    for node in ast.walk(ast.parse(cell.source)):
        is_call = isinstance(node, ast.Call) and getattr(node.func, "id", "") == function
        if is_call:
            names.append(ast.literal_eval(node.args[0]))
    return names


def faults(lecture: int, cells: list[NotebookNode]) -> list[str]:
    """What is missing: a cell to predict in, or the place where its answer is shown."""
    wrong = []
    predicted, answered = {}, {}
    for i, cell in enumerate(cells):
        tags = set(cell.metadata.get("tags", []))
        if {"role-predict", "lang-en"} <= tags:
            following = cells[i + 1] if i + 1 < len(cells) else None
            if following is None or not names_called(following, "predict"):
                wrong.append(f"{lecture}: nothing to predict in after {cell.id}")
        for name in names_called(cell, "predict"):
            predicted[name] = i
        for name in names_called(cell, "show_answer"):
            answered[name] = i
    asked = {name for name, question in QUESTIONS.items() if question.lecture == lecture}
    wrong += [f"{lecture}: {name} is not asked" for name in sorted(asked - predicted.keys())]
    wrong += [f"{lecture}: {name} is no question" for name in sorted(predicted.keys() - asked)]
    for name, place in predicted.items():
        if answered.get(name, -1) < place:
            wrong.append(f"{lecture}: {name} is not answered later")
    return wrong


@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_each_predict_first_has_a_cell_and_an_answer(lecture, checkout):
    cells = cells_of(checkout, lecture)
    assert any("role-predict" in cell.metadata.get("tags", []) for cell in cells)
    assert faults(lecture, cells) == []


def test_a_predict_first_without_a_cell_or_an_answer_would_be_seen(checkout):
    cells = cells_of(checkout, 5)
    asking = [cell for cell in cells if names_called(cell, "predict")]
    answering = [cell for cell in cells if names_called(cell, "show_answer")]
    for left_out in (*asking, *answering):
        assert faults(5, [cell for cell in cells if cell is not left_out])
    tags = {"tags": ["role-predict", "lang-en"]}
    assert faults(5, [*cells, nbformat.v4.new_markdown_cell("?", metadata=tags)])


def test_prediction_cells_are_no_part_of_grading_and_are_handed_out_empty(checkout):
    for lecture in NOTEBOOKS:
        for cell in cells_of(checkout, lecture):
            if names_called(cell, "predict"):
                assert {"demo", "predict", "raises-exception"} <= set(cell.metadata.tags)
                assert "nbgrader" not in cell.metadata
                values = re.findall(r"(?:low|high|choice)=([^,)]+)", cell.source)
                assert values and set(values) == {"..."}, cell.source
            if cell.metadata.get("nbgrader"):
                assert "course.predictions" not in cell.source


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_release_in_one_language_keeps_them(lang, checkout):
    for lecture in NOTEBOOKS:
        name = NOTEBOOKS[lecture]
        path = checkout / "notebooks" / name / f"{name}.ipynb"
        both = nbformat.read(path, as_version=4)
        one = in_language(nbformat.read(path, as_version=4), lang)
        for function in ("predict", "show_answer"):
            names = [
                [name for cell in notebook.cells for name in names_called(cell, function)]
                for notebook in (both, one)
            ]
            assert names[0] == names[1] != []
