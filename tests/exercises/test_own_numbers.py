"""Own numbers: the reference answers solve every draw, and no neighbour's answer fits."""

import itertools
import math

import pytest

from tinybert_l.course.own_numbers import Scope, read_parameter, rounded, shown
from tinybert_l.course.own_training import opening_run
from tinybert_l.course.quiz_cells import source_of_test
from tinybert_l.course.quiz_questions import QUIZZES, Question, read_questions
from tinybert_l.course.quizzes import agrees, fits
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import load_reference_answers
from tinybert_l.grading.course import MATERIAL
from tinybert_l.grading.variants import draw

SOLUTIONS = MATERIAL / "solutions"
QUESTIONS = [
    question for n in NOTEBOOKS for question in read_questions(SOLUTIONS, n) if question.parameters
]
SECRET = b"a secret of a course"
STUDENTS = [f"s{i:03d}" for i in range(300)]
DRAWS = 20  # of each question
TRAINED_DRAWS = 2  # of the question whose answer is trained
NIGHTLY_DRAWS = 200
SHARED = 0.05  # of neighbours whose answers may agree by chance, where the answer is one number


def reference(lecture: int, name: str):
    return load_reference_answers(SOLUTIONS, lecture)[name]


def flops(n, length):
    attention = 2 * length**2 * n["hidden"]
    matrices = length * (4 * n["hidden"] ** 2 + 2 * n["hidden"] * n["ffn"])
    return 2 * n["layers"] * (matrices + attention)


def bert(**sizes):
    from transformers import BertConfig

    return BertConfig(num_attention_heads=1, max_position_embeddings=512, **sizes)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in ((p, q), (1 - p, 1 - q)))


def joint(n):
    import torch

    losses = [torch.tensor(float(x), requires_grad=True) for x in n["my_losses"]]
    loss = reference(2, "joint_loss")(losses, [float(w) for w in n["my_weights"]])
    loss.backward()
    return [loss.item(), *(x.grad.item() for x in losses)]


def importance(n):
    import torch

    heads = torch.tensor([n[f"my_head_{i}"] for i in range(3)]).float()
    products = heads.T[:, :, None, None]  # [b, heads, s, head_size]
    return reference(7, "head_importance")(products, torch.ones_like(products)).tolist()


def filtered(n):
    import torch

    logits = torch.tensor([n["my_counts"]]).float().log()
    return reference(9, "top_p_filter")(logits, n["my_percent"] / 100).softmax(-1)[0].tolist()


def chosen_models(n):
    models = []
    for name, latency, quality in zip("ABCDE", n["my_latencies"], n["my_qualities"], strict=True):
        models.append({"name": name, "latency_ms": latency, "quality": quality})
    return {budget: reference(8, "choose_submodel")(models, budget) for budget in n["my_budgets"]}


def verdict(n):
    low, high = (n["my_difference"] + sign * 1.96 * n["my_error"] for sign in (-1, 1))
    if low > -n["my_margin"]:
        return [low, high, "holds"]
    return [low, high, "does not hold" if high < -n["my_margin"] else "undecided"]


def trained(n):
    logs = {width: opening_run(n["my_seed"], width) for width in n["my_widths"]}
    return {"best": min(logs, key=lambda width: logs[width][-1]), **logs}


def crossing(n):
    sizes = {"num_hidden_layers": n["my_layers"], "hidden_size": n["my_hidden"]}
    config = bert(intermediate_size=n["my_ffn"], **sizes)
    own = {"layers": n["my_layers"], "hidden": n["my_hidden"], "ffn": n["my_ffn"]}
    length = 2 * n["my_hidden"] + n["my_ffn"]
    attention = 2 * own["layers"] * 2 * length**2 * own["hidden"]
    total = reference(11, "flops")(config, length)
    assert total == flops(own, length) == 2 * attention
    return [length, total]


def frontier(n):
    points = list(zip(n["my_costs"], n["my_qualities"], strict=True))
    return [list(points[i]) for i in reference(6, "pareto_frontier")(points)]


def windows(n):
    split = reference(5, "split_document")
    parts = split(list(range(n["my_tokens"])), n["my_window"], n["my_stride"])
    return [[part[0], part[-1] + 1] for part in parts]


def count(n):
    config = bert(
        num_hidden_layers=n["my_layers"],
        hidden_size=n["my_hidden"],
        intermediate_size=n["my_ffn"],
        vocab_size=n["my_vocabulary"],
    )
    return reference(1, "parameter_count")(config, pooler=False)


def macro_f1(n):
    cells = (("tp", 1, 1), ("fp", 1, 0), ("fn", 0, 1), ("tn", 0, 0))
    pairs = [(said, true) for name, said, true in cells for _ in range(n[name])]
    said, true = (list(column) for column in zip(*pairs, strict=True))
    return reference(8, "macro_f1")(said, true, 2)


# {question: how it is solved, from its numbers alone, by the reference answers where there are}
SOLVED = {
    "quiz_1_3": lambda n: kl(n["p"] / 100, n["q"] / 100),
    "quiz_1_4": count,
    "quiz_2_3": lambda n: n["steps"] / len(range(1, n["models"] - 1)),
    "quiz_2_4": joint,
    "quiz_3_3": lambda n: (
        sum([n["long_gap"]] * n["long"] + [n["short_gap"]] * n["short"]) / (n["long"] + n["short"])
    ),
    "quiz_3_4": lambda n: {
        depth: reference(3, "kept_layers")(n["my_layers"], depth) for depth in n["my_depths"]
    },
    "quiz_4_3": lambda n: reference(4, "linear_warmup_decay")(n["step"], n["warm"], n["total"]),
    "quiz_4_4": trained,
    "quiz_5_3": lambda n: len(
        reference(5, "split_document")(list(range(n["tokens"])), n["window"], n["stride"])
    ),
    "quiz_5_4": windows,
    "quiz_6_3": lambda n: (
        196 * math.sqrt(n["right"] / 100 * (1 - n["right"] / 100) / n["sentences"])
    ),
    "quiz_6_4": frontier,
    "quiz_7_3": lambda n: (
        n["costs"][0]
        + n["costs"][1] * (1 - n["first"] / 100)
        + n["costs"][2] * (1 - n["first"] / 100 - n["second"] / 100)
    ),
    "quiz_7_4": importance,
    "quiz_8_3": macro_f1,
    "quiz_8_4": chosen_models,
    "quiz_9_3": lambda n: (
        n["bytes"] * sum(2 * n["width"] for _ in range(n["layers"])) * n["tokens"] / 1000
    ),
    "quiz_9_4": filtered,
    "quiz_10_3": lambda n: 100 - 100 * math.prod([n["level"] / 100] * n["claims"]),
    "quiz_10_4": verdict,
    "quiz_11_3": lambda n: flops(n, n["tokens"]) / 1e6,
    "quiz_11_4": crossing,
}
_solved: dict[str, list] = {}


def solved(question: Question, draws: int) -> list:
    """The numbers of so many students, with the question and its answer."""
    known = _solved.setdefault(question.name, [])
    for student in STUDENTS[len(known) : draws]:
        own = question.with_numbers(draw(SECRET, student, question))
        known.append((own, SOLVED[question.name](own.numbers)))
    return known[:draws]


def failure(question: Question, answer) -> str | None:
    namespace = {"__name__": "__main__", question.name: answer}
    try:
        exec(compile(source_of_test(question), "<test>", "exec"), namespace)
    except AssertionError as error:
        return str(error)
    return None


@pytest.fixture
def draws(request, question: Question) -> int:
    if request.config.getoption("--nightly"):
        return NIGHTLY_DRAWS
    return TRAINED_DRAWS if question.call else DRAWS


def named(questions):
    return pytest.mark.parametrize("question", questions, ids=lambda question: question.name)


def test_every_lecture_has_own_numbers_in_two_questions():
    assert set(SOLVED) == {question.name for question in QUESTIONS}
    for lecture in NOTEBOOKS:
        kinds = [
            question.kind for question in QUESTIONS if question.name.split("_")[1] == f"{lecture}"
        ]
        assert kinds == ["number", "value"], lecture


@named(QUESTIONS)
def test_the_reference_answer_is_right_for_everybody(question, draws):
    for own, answer in solved(question, draws):
        assert failure(own, answer) is None, (own.numbers, answer, own.answer)
        assert not any(agrees(wrong, answer, own.tolerance) for wrong, _ in own.near)
        for text in (own.text.en, own.text.zh):
            assert "<<" not in text and ">>" not in text


@named(QUESTIONS)
def test_a_neighbours_answer_fails(question, draws):
    """Always where an answer has several parts; but for rare chance where it is one number."""
    agreed = 0
    for (own, _), (neighbour, answer) in itertools.pairwise(solved(question, draws)):
        if own.numbers != neighbour.numbers:
            agreed += failure(own, answer) is None
    assert agreed <= (max(2, SHARED * draws) if question.kind == "number" else 0)


@pytest.mark.nightly
def test_everybodys_training_can_be_made_again():
    (question,) = [question for question in QUESTIONS if question.call]
    draws = solved(question, NIGHTLY_DRAWS)
    for (own, answer), (_, others) in itertools.pairwise(draws):
        assert failure(own, answer) is None
        assert "train anew" in failure(own, {**dict(zip(answer, others.values(), strict=True))})
    assert len({own.numbers["my_widths"].index(answer["best"]) for own, answer in draws}) == 3


def test_a_log_is_judged_whole():
    (question,) = [question for question in QUESTIONS if question.call]
    own, answer = solved(question, 1)[0]
    short = {
        key: [round(x, 4) for x in log] if key != "best" else log for key, log in answer.items()
    }
    assert failure(own, short) is None, "four decimals are enough"
    other_best = next(width for width in own.numbers["my_widths"] if width != answer["best"])
    assert failure(own, {**answer, "best": other_best})
    changed = [*answer[other_best][:-1], answer[other_best][-1] - 0.001]
    assert failure(own, {**answer, other_best: changed})
    assert "has the form" in failure(own, {**answer, other_best: changed[:-1]})


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_no_two_students_share_all_numbers(lecture):
    questions = [q for q in QUESTIONS if q.name.split("_")[1] == f"{lecture}"]
    drawn = [repr([draw(SECRET, student, q) for q in questions]) for student in STUDENTS]
    assert len(set(drawn)) == len(STUDENTS)


def test_numbers_follow_from_secret_student_and_question_alone():
    question = QUESTIONS[1]
    numbers = draw(SECRET, "ann", question)
    assert numbers == draw(SECRET, "ann", question) == draw(SECRET, "Ann", question)
    assert numbers != draw(b"another", "ann", question) and numbers != draw(SECRET, "bea", question)
    assert numbers != question.numbers, "nobody gets the defaults by rule"


def test_all_that_may_be_drawn_is_drawn_about_equally():
    (question,) = [question for question in QUESTIONS if question.name == "quiz_2_3"]
    counts = [0] * 13
    for student in STUDENTS:
        counts[draw(SECRET, student, question)["models"]] += 1
    assert counts[:5] == [0] * 5 and min(counts[5:]) > 300 / 8 / 2


def test_declarations_that_cannot_work_are_named(tmp_path):
    for entry, message in (
        ({"default": 3, "from": 5, "to": 9}, "cannot be drawn"),
        ({"from": 5, "to": 9}, "expected: default"),
        ({"default": 5, "from": 5, "to": 9, "of": [5]}, "expected: default"),
        ({"default": [1, 2], "of": [1, 2], "order": "up"}, "allowed: distinct, rising"),
        ({"default": [1, 1], "of": [1], "order": "rising"}, "allowed: distinct, rising"),
    ):
        with pytest.raises(InvalidInput, match=message):
            read_parameter("depth", entry)
    lines = ['kind = "number"', 'en = "<<a>>?"', 'zh = "<<a>>？"', "tolerance = 0.0", "near = []"]
    lines += ['otherwise = ["No.", "不。"]', "numbers.a = { default = 1, from = 1, to = 3 }"]
    for more, message in (
        ('value = "b"', "b: NameError"),
        ('value = "a +"', "invalid syntax"),
        ('value = "a"\nwhere = "a > 1"', "the defaults do not meet"),
    ):
        (tmp_path / QUIZZES).mkdir(exist_ok=True)
        text = "\n".join(["[quiz_3_1]", *lines, more])
        (tmp_path / QUIZZES / "lecture_03.toml").write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match=message):
            read_questions(tmp_path, 3)
    text = "\n".join(["[quiz_3_1]", *lines, 'value = "a"', 'where = "a == 1"'])
    (tmp_path / QUIZZES / "lecture_03.toml").write_text(text, encoding="utf-8")
    (question,) = read_questions(tmp_path, 3)
    assert draw(SECRET, "ann", question) == {"a": 1} and question.text.en == "1?"


def test_texts_show_numbers_as_people_write_them():
    scope = Scope({"a": 30522, "b": [1, 2], "c": 0.1 + 0.2}, dict)
    assert scope.fill("<<a>> <<b>> <<c>> <<a // 2>>") == "30,522 1, 2 0.3 15,261"
    assert Scope({}, dict).fill("<<a>>") == "<<a>>", "without numbers a text is a text"
    assert shown(-35) == "-35" and rounded({"a": (1.23456, "x")}, 3) == {"a": (1.23, "x")}


def test_forms_and_values_are_compared_as_plain_data():
    import numpy as np

    assert agrees(np.array([1.0, 2.0]), [1, 2]) and agrees({"3": [1]}, {3: [1]})
    assert not agrees({3: 1, 4: 1}, {3: 1}) and not agrees([1], {0: 1}) and not agrees(1, "1")
    assert fits({"3": "x"}, {3: "y"}) and not fits({3: 1}, {4: 1}) and not fits([], [0, ...])
    assert not fits(math.nan, 0) and not fits({"a": 1}, [0]) and not fits(True, 0)


def test_a_width_that_cannot_open_is_refused():
    with pytest.raises(InvalidInput, match="width=16; allowed: 1 to 15"):
        opening_run(1, 16)
    assert opening_run(5, 3) != opening_run(6, 3) and opening_run(5, 3)[:4] == opening_run(5, 4)[:4]
