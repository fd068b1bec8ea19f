"""Test figures: drawn from live objects, with a Chinese font that comes with the package."""

import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tinybert_l import figures
from tinybert_l.languages import showing
from tinybert_l.method.evaluation import Result
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel


def result(name: str, accuracy: float, latency: float) -> Result:
    sub_model = SubModel(6) if name == "teacher" else SubModel.parse(name)
    spread = {"accuracy_low": accuracy - 0.02, "accuracy_high": accuracy + 0.02, "kept": 1.0}
    sizes = {"parameters": 10, "encoder_parameters": 5, "flops": 1}
    speed = {
        "latency_ms_batch_1": latency / 10,
        "latency_iqr_ms_batch_1": 0.1,
        "latency_ms_batch_32": latency,
    }
    speed |= {"latency_iqr_ms_batch_32": 0.1, "speedup_batch_1": 1.0, "speedup_batch_32": 1.0}
    label = "teacher 教师" if name == "teacher" else sub_model.label
    return Result(
        name, label, sub_model.depth, sub_model.width, accuracy, **spread, **sizes, **speed
    )


def draw_all(supernet):
    yield figures.pareto(
        [result("teacher", 0.84, 100), result("6x1", 0.83, 95), result("2x0.25", 0.8, 9)]
    )
    yield figures.elastic_layer(supernet.config, [SubModel(6), SubModel(2, 0.25)])
    yield figures.joint_mechanism(JointRecipe(num_steps=20))
    yield figures.self_distillation(
        [0, 5], {"6×½": [0.1, 0.01], "2×¼": [0.5, 0.2]}, [2], "seed 0 种子0"
    )


def test_no_character_is_missing_in_any_figure(supernet, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font has
        for number, figure in enumerate(draw_all(supernet)):
            figure.savefig(tmp_path / f"{number}.png")
            assert (tmp_path / f"{number}.png").stat().st_size > 10_000


def test_a_glyph_that_no_font_has_would_be_noticed(tmp_path):
    figure, axes = figures.new_figure()
    axes.set_title("\u13a0")
    with pytest.warns(UserWarning, match="missing from font"):
        figure.savefig(tmp_path / "x.png")


def test_every_axis_has_a_label_and_every_figure_a_title(supernet):
    for figure in draw_all(supernet):
        assert figure.get_suptitle() or all(axes.get_title() for axes in figure.axes)
        for axes in figure.axes:
            assert not axes.axison or axes.get_xlabel()


def test_ticks_named_by_numbers_are_shown_in_a_course_of_one_language():
    figure, axes = figures.new_figure(3, 2)
    axes.set_yticks([0, 1], [1, 2])
    axes.set_xticks([0], ["layer 层"])
    with showing("zh"):
        figures.say_in_language(figure)
        FigureCanvasAgg(figure).draw()
        assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["层"]


def test_figures_are_kept_as_svg_and_pdf_for_ones_own_slides(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_FIGURES", str(tmp_path / "kept"))
    figure, axes = figures.new_figure()
    axes.set_title("Speed and size 速度与大小 (ms)")
    figures.show(figure, "a figure")
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        f"Speed-and-size-速度与大小-ms.{kind}" for kind in ("pdf", "svg")
    ]


def test_a_figure_is_kept_in_each_language_where_asked(monkeypatch):
    monkeypatch.setenv(figures.EACH_LANGUAGE, "1")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *data, **_: shown.extend(data))
    figure, axes = figures.new_figure(3, 2)
    axes.set_title("Speed 速度")
    figures.show(figure, "a figure 一张图")
    (data,) = shown
    assert set(data) == {"image/png", "application/x-png-zh", "application/x-png-en"}
    assert len(set(data.values())) == 3
    assert axes.get_title() == "Speed 速度"  # copies were drawn
    with showing("zh"):
        figures.show(figure, "a figure 一张图")
    assert not isinstance(shown[1], dict)  # a course of one language needs one picture


def test_ticks_of_a_figure_in_one_language_are_named_in_it(monkeypatch):
    monkeypatch.setenv(figures.EACH_LANGUAGE, "1")
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    named = []

    def named_ticks(figure):
        figure.canvas.draw()
        named.append([tick.get_text() for tick in figure.axes[0].get_yticklabels()])
        return b""

    monkeypatch.setattr(figures, "_png", named_ticks)
    figure, axes = figures.new_figure(3, 2)
    axes.set_yticks([0, 1], ["speed at batch 1 批大小1的速度", "errors 错误率"])
    figures.show(figure, "a figure 一张图")
    in_chinese, in_english, in_both = named
    assert in_chinese == ["批大小1的速度", "错误率"]
    assert in_english == ["speed at batch 1", "errors"]
    assert in_both == ["speed at batch 1 批大小1的速度", "errors 错误率"]
