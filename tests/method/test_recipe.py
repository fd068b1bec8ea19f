"""A recipe is plain data whose hashes never change, and names what is out of range."""

import json
from dataclasses import asdict, replace

import pytest

from tinybert_l.cache import recipe_hash
from tinybert_l.errors import CourseError
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.training import LoopSettings
from tinybert_l.submodels import SubModel

RECIPE = JointRecipe(num_steps=12, batch_size=8, precision="float32", checkpoint_every=4)
FIELDS = [
    "stages",
    "num_steps",
    "batch_size",
    "learning_rate",
    "warmup_share",
    "weight_decay",
    "max_norm",
    "num_random",
    "layer_map_strategy",
    "soft_label_weight",
    "hidden_weight",
    "attention_weight",
    "embedding_weight",
    "temperature",
    "self_distillation",
    "seed",
    "precision",
    "checkpoint_every",
]


def test_a_recipe_is_plain_data():
    assert json.loads(json.dumps(asdict(RECIPE)))["num_steps"] == 12


def test_a_recipe_is_the_settings_of_the_loop_and_more():
    assert isinstance(RECIPE, LoopSettings)
    assert sorted(asdict(RECIPE)) == sorted(FIELDS), "every field is part of cache keys"
    assert JointRecipe(((0.0, (SubModel(3),)),)).sub_models() == [SubModel(3)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            asdict(JointRecipe(((0.0, (SubModel(3, 0.5, 0.25),)),), num_steps=7)),
            "4eae6e462328",
        ),
        (
            {
                "recipe": asdict(replace(JointRecipe(), learning_rate=3e-4, num_steps=240)),
                "version": 4,
            },
            "e52c282b00aa",
        ),
    ],
)
def test_results_cached_by_version_0_1_are_found(values, expected):
    assert recipe_hash(values) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "JointRecipe: num_steps=0; allowed: at least 1"),
        ({"learning_rate": 0}, "learning_rate=0; allowed"),
        ({"learning_rate": float("nan")}, "learning_rate=nan; allowed"),
        ({"temperature": 0}, "temperature=0; allowed"),
        ({"hidden_weight": -1}, "hidden_weight=-1; allowed"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"precision": "float16"}, "precision='float16'; allowed: auto, float32, bfloat16"),
        ({"stages": ((0.1, (SubModel(6),)),)}, r"stages start at \[0.1\]; allowed: from 0"),
        ({"stages": ((0.0, (SubModel(6),)), (0.0, (SubModel(3),)))}, "strictly rising"),
        ({"stages": ()}, r"stages start at \[\]"),
        ({"stages": ((0.0, ()),)}, "at least one sub-model in the first"),
    ],
)
def test_recipes_out_of_range_are_named_with_what_is_allowed(change, message):
    with pytest.raises(ValueError, match=message) as raised:
        replace(RECIPE, **change)
    assert isinstance(raised.value, CourseError), "the command line shows it as one line"


def test_loop_settings_check_themselves():
    with pytest.raises(ValueError, match="LoopSettings: warmup_share=2; allowed: 0 to 1"):
        LoopSettings(num_steps=1, learning_rate=0.1, warmup_share=2)


def test_participants_depend_on_seed_and_step_alone():
    drawn = [[s.name for s in RECIPE.participants(step)] for step in range(12)]
    assert drawn == [[s.name for s in RECIPE.participants(step)] for step in range(12)]
    assert drawn[0] == ["6x1"] and drawn[-1][:2] == ["6x1", "2x0.25"]
    other = replace(RECIPE, seed=1)
    assert drawn != [[s.name for s in other.participants(step)] for step in range(12)]


@pytest.mark.parametrize(
    ("change", "hidden", "scored"),
    [
        ({}, {0, 1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}),
        ({"embedding_weight": 0.0}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}),
        ({"hidden_weight": 0.0}, {0}, {1, 2, 3, 4, 5, 6}),
        ({"attention_weight": 0.0, "stages": ((0.0, (SubModel(2),)),)}, {0, 3, 6}, set()),
    ],
)
def test_only_layers_that_are_compared_are_asked_for(change, hidden, scored):
    recipe = replace(RECIPE, **change)
    assert recipe.hidden_layers(6) == hidden
    assert recipe.scored_layers(6) == scored


@pytest.mark.parametrize(
    ("compared", "states", "scores"),
    [
        ((), False, False),
        (("hidden_weight",), True, False),
        (("embedding_weight",), True, False),
        (("attention_weight",), True, True),
    ],
)
def test_a_forward_pass_returns_only_what_is_compared(compared, states, scores):
    weights = dict.fromkeys(("hidden_weight", "embedding_weight", "attention_weight"), 0.0)
    recipe = replace(RECIPE, **(weights | dict.fromkeys(compared, 0.1)))
    assert recipe.requested_outputs() == {
        "output_hidden_states": states,
        "output_attention_scores": scores,
        "only_first": not states,
    }
