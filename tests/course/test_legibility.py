"""Figures can be read on a slide of 1280 × 720: 14 points, no text on another, two languages."""

import pytest

from tinybert_l.course import figures, figures_architecture
from tinybert_l.course.legibility import problems
from tinybert_l.languages import showing
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.evaluation import Result
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel

CONFIG = ElasticBertConfig(
    num_hidden_layers=6, hidden_size=384, num_attention_heads=12, intermediate_size=1536
)


def measured(sub_model, latency):
    """A result; two of nearly the same latency once had their names on each other."""
    accuracy = {"accuracy": 0.83, "accuracy_low": 0.8, "accuracy_high": 0.86, "kept": 1.0}
    size = {"parameters": 10, "encoder_parameters": 5, "flops": 1}
    speed = {"speedup_batch_1": 1.0, "speedup_batch_32": 1.0}
    for batch in (1, 32):
        speed |= {f"latency_ms_batch_{batch}": latency, f"latency_iqr_ms_batch_{batch}": 0.1}
    shape = {"depth": sub_model.depth, "width": sub_model.width}
    return Result(sub_model.name, sub_model.label, **shape, **accuracy, **size, **speed)


def drawn():
    yield figures.elastic_layer(CONFIG, [SubModel(6), SubModel(3, 0.5), SubModel(2, 0.25)])
    yield figures_architecture.layer_matrices(CONFIG, 0.5)
    yield figures.joint_mechanism(JointRecipe(num_steps=60))
    yield figures.pareto([measured(SubModel(6), 40.0), measured(SubModel(6, 0.25), 40.1)])


@pytest.mark.parametrize("language", ["zh", "en", None])
def test_figures_drawn_from_a_configuration_are_legible(language):
    with showing(language):
        for figure in drawn():
            figures.say_in_language(figure)
            assert problems(figure) == []


def test_small_text_and_text_on_other_text_are_found():
    figure, axes = figures.new_figure(6, 4)
    axes.set(title="a title", xlabel="step")
    assert problems(figure) == []
    axes.text(0.5, 0.5, "small", fontsize=8)
    axes.text(0.1, 0.2, "one text")
    axes.text(0.12, 0.2, "another text")
    found = problems(figure)
    assert any("'small' has 8.0 points" in text for text in found)
    assert any("'one text' and 'another text' lie on each other" in text for text in found)
    assert len(found) == 2


def test_a_title_that_reaches_under_the_bar_of_colours_is_found():
    figure, (left, right) = figures.new_figure(6, 4, ncols=2)
    picture = right.imshow([[0, 1]], aspect="auto")
    figure.colorbar(picture, ax=right)
    left.set_title("short")
    right.set_title("kept")
    assert problems(figure) == []
    figure.set_layout_engine("none")  # as where the layout ignores what is too long
    right.set_title("a title that is much longer than its panel", y=0.9)
    assert any("lies on a panel that is not its own" in text for text in problems(figure))


def test_a_figure_is_no_larger_than_a_slide():
    figure, _ = figures.new_figure(20, 20)
    assert tuple(figure.get_size_inches()) == figures.SLIDE_INCHES
