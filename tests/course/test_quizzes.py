"""The quizzes: every right answer passes, every wrong choice meets the misconception behind it."""

import importlib
import itertools
import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tinybert_l.course.authoring import write_answers
from tinybert_l.course.quiz_cells import source_of_test
from tinybert_l.course.quiz_questions import QUIZZES, Question, read_questions
from tinybert_l.course.quizzes import (
    ANOTHER,
    SHARED_ACCOUNTS,
    STUDENT_VARIABLES,
    chosen,
    current_student,
    is_near,
    joined,
    number,
    order_of_choices,
    show_choices,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import load_reference_answers
from tinybert_l.grading.course import MATERIAL
from tinybert_l.grading.variants import draw
from tinybert_l.languages import in_words

SOLUTIONS = MATERIAL / "solutions"
QUESTIONS = [question for n in NOTEBOOKS for question in read_questions(SOLUTIONS, n)]
OF_CHOICE = [question for question in QUESTIONS if question.choices]
OF_NUMBER = [question for question in QUESTIONS if question.kind == "number"]
OF_VALUE = [question for question in QUESTIONS if question.kind == "value"]
ROSTER = [f"s{i:03d}" for i in range(60)]


def named(questions: list[Question]):
    return pytest.mark.parametrize("question", questions, ids=lambda question: question.name)


def failure(question: Question, answer) -> str | None:
    """What the question's test says of an answer; None where it passes."""
    namespace = {"__name__": "__main__", question.name: answer}
    try:
        exec(compile(source_of_test(question), "<test>", "exec"), namespace)
    except AssertionError as error:
        return str(error)
    return None


def test_every_lecture_has_four_questions_of_four_kinds():
    assert len(QUESTIONS) == 44
    for lecture in NOTEBOOKS:
        kinds = [question.kind for question in read_questions(SOLUTIONS, lecture)]
        assert sorted(kinds) == ["number", "one", "several", "value"], lecture


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_the_notebooks_hold_what_the_source_says(checkout, lecture):
    assert write_answers(checkout / "notebooks", SOLUTIONS, lecture, check=True) == []


def test_a_changed_question_is_written_anew_and_others_stay(checkout, tmp_path):
    name = NOTEBOOKS[7]
    right = (checkout / "notebooks" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    copy = tmp_path / name / f"{name}.ipynb"
    copy.parent.mkdir()
    notebook = json.loads(right)
    wrong = right.replace("quiz_7_3 = 5.4", "quiz_7_3 = 5.5")
    wrong = wrong.replace("测验7.1（1分）", "测验7.1（9分）")
    copy.write_text(wrong, encoding="utf-8")
    assert write_answers(tmp_path, SOLUTIONS, 7) == ["quiz_7_1", "quiz_7_3"]
    assert copy.read_text(encoding="utf-8") == right
    notebook["cells"] = [cell for cell in notebook["cells"] if "quiz-" not in cell["id"]]
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    assert write_answers(tmp_path, SOLUTIONS, 7) == [f"quiz_7_{n}" for n in (1, 2, 3, 4)]
    assert copy.read_text(encoding="utf-8") == right, "new questions follow the introduction"


# --- the right answers --------------------------------------------------------------------------


def right_value(question: Question):
    """The right answer; it is made by a call where the question says so."""
    namespace: dict = dict(question.numbers)
    if question.call:
        module, _, function = question.call.rpartition(".")
        namespace[function] = getattr(importlib.import_module(module), function)
    return eval(question.answer, namespace)


def tupled(value):
    if isinstance(value, dict):
        return {key: tupled(part) for key, part in value.items()}
    return tuple(map(tupled, value)) if isinstance(value, list) else value


def with_float_keys(value):
    """The value with 3.0 and "3" for the key 3, and arrays for lists of numbers."""
    if not isinstance(value, dict):
        return value
    return {float(key) if isinstance(key, int) else key: part for key, part in value.items()}


def ways(question: Question) -> list:
    """Honest ways to write the right answer."""
    if question.kind == "number":
        value = question.value
        text = f"{value:g}"
        written = [value, np.float64(value), np.array(value), text, f" {text} %", Decimal(text)]
        written += [Fraction(text), value + question.tolerance, value - question.tolerance]
        whole = [int(value), np.int64(value)] if value == int(value) else []
        return written + whole
    if question.kind == "value":
        value = right_value(question)
        return [value, tupled(value), with_float_keys(value)]
    letters = list(question.right)
    lower = [letter.lower() for letter in letters]
    written = [letters, tuple(letters), set(letters), frozenset(lower), letters[::-1]]
    written += [", ".join(lower), "".join(letters), "、".join(letters), "和".join(letters)]
    if question.kind == "one":
        return [*letters, *lower, f" {letters[0]} ", np.str_(letters[0]), *written]
    return written


@named(QUESTIONS)
def test_a_right_answer_passes_in_every_honest_way_of_writing(question):
    for answer in ways(question):
        assert failure(question, answer) is None, repr(answer)


# --- the wrong ones -----------------------------------------------------------------------------


@named(OF_CHOICE)
def test_every_wrong_choice_fails_and_names_its_misconception(question):
    texts = [text.both for text in question.misconceptions.values()]
    assert len(set(texts)) == len(texts) >= 2
    for letter, text in question.misconceptions.items():
        if question.kind == "one":
            assert failure(question, letter) == failure(question, [letter.lower()]) == text.both
            continue
        for answer in ([letter], [*question.right, letter]):
            assert failure(question, answer) == text.both
    both = list(question.misconceptions)[:2]
    if question.kind == "several":
        said = failure(question, both)
        for letter in both:
            misconception = question.misconceptions[letter]
            assert misconception.en in said and misconception.zh in said
        for letter in question.right:
            rest = question.right.replace(letter, "")
            if rest:
                assert failure(question, list(rest)) == ANOTHER
    else:
        assert "one letter" in failure(question, list(question.letters))


@named(OF_NUMBER)
def test_every_known_wrong_number_fails_and_names_its_misconception(question):
    assert len(question.near) >= 3
    for value, text in question.near:
        assert failure(question, value) == failure(question, str(value)) == text.both
        distance = abs(value - question.value)
        assert distance > 2 * question.tolerance, "cannot be told from the right answer"
    assert failure(question, -1234.5) == question.otherwise.both


@named([question for question in [*OF_NUMBER, *OF_VALUE] if question.parameters])
def test_with_numbers_of_ones_own_each_mistake_still_shows(question):
    """A student who works out the macro F1 as an accuracy must not be right by chance."""
    for student in ("anna", "boris", "chen", "dora"):
        numbers = draw(b"a secret", student, question)
        assert len(question.with_numbers(numbers).near) >= len(question.near)


@named(OF_VALUE)
def test_every_known_wrong_value_fails_and_names_its_misconception(question):
    assert question.near or question.call
    for value, text in question.near:
        assert failure(question, value) == text.both
    other = right_value(question)
    other = {**other, list(other)[-1]: None} if isinstance(other, dict) else None
    assert "has the form" in failure(question, other)


@named(QUESTIONS)
def test_nothing_that_is_said_tells_the_right_answer(question):
    said = [*question.misconceptions.values(), question.otherwise]
    said += [text for _, text in question.near]
    for text in said:
        for half in (text.en, text.zh):
            if question.kind == "value":
                assert question.answer not in half
            elif question.kind == "number":
                assert f"{question.value:g}" not in re.findall(r"\d[\d.]*", half), half
            for letter in question.right if question.choices else ():
                assert question.choices[letter].en.rstrip(".") not in half


@named(QUESTIONS)
def test_an_answer_of_another_form_is_told_so_by_what_students_see(question):
    open_part = source_of_test(question).partition("### BEGIN HIDDEN")[0]
    for answer in (None, True, "?", [], ["?"], [1.5], {"a": 1}, object(), math.inf, "1e"):
        namespace = {question.name: answer}
        with pytest.raises(AssertionError, match=question.name):
            exec(open_part, namespace)
    with pytest.raises(AssertionError, match=f"Fill in {question.name}"):
        exec(open_part, {})
    fitting = {"number": 7, "value": right_value(question) if question in OF_VALUE else None}
    exec(open_part, {question.name: fitting.get(question.kind) or question.letters[0]})


@named(QUESTIONS)
def test_each_language_stands_alone(question):
    texts = [*question.choices.values(), *question.misconceptions.values(), question.otherwise]
    texts += [text for _, text in question.near]
    for text in texts:
        if text.en != text.zh:
            assert in_words(text.both, "en") == text.en
            assert in_words(text.both, "zh") == text.zh
        assert not re.search(r"[您请]|[\u4e00-\u9fff] +[A-Za-z]|[A-Za-z] +[\u4e00-\u9fff]", text.zh)


# --- numbers ------------------------------------------------------------------------------------


def reference(lecture):
    """The functions that a lecture asks for, as the course answers them."""
    return load_reference_answers(SOLUTIONS, lecture)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def cascade(costs, reached):
    return sum(cost * share for cost, share in zip(costs, reached, strict=True))


def f1(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn)


P, Q = (0.8, 0.2), (0.5, 0.5)
ENTROPY = -sum(p * math.log(p) for p in P)
FLOPS = {"layers": 2, "h": 64, "i": 256, "s": 32}
MATRICES = FLOPS["s"] * (4 * FLOPS["h"] ** 2 + 2 * FLOPS["h"] * FLOPS["i"])
ATTENTION = 2 * FLOPS["s"] ** 2 * FLOPS["h"]
CACHE = 2 * 4 * 256 * 100 * 4  # keys and values, layers, width, tokens, bytes


def encoder_flops():
    from transformers import BertConfig

    config = BertConfig(
        num_hidden_layers=2, hidden_size=64, intermediate_size=256, num_attention_heads=4
    )
    return reference(11)["flops"](config, 32)


# {question: (right number, wrong numbers in the order of `near`)}, computed and not typed
COMPUTED = {
    "quiz_1_3": lambda: (kl(P, Q), [ENTROPY + kl(P, Q), ENTROPY, kl(Q, P), kl(P, Q) / math.log(2)]),
    "quiz_2_3": lambda: (300 * 1 / (6 - 2), [300 / 6, 300 / 5, 300 * 3 / 6, 300]),
    "quiz_3_3": lambda: (
        (3 * 2 + 6) / (3 + 1),
        [(3 * 2 + 6) / 6, ((3 * 2) / 3 + 6) / 2, 3 * 2 + 6],
    ),
    "quiz_4_3": lambda: (
        reference(4)["linear_warmup_decay"](40, 20, 100),
        [(100 - 40) / 100, 40 / 20, (40 - 20) / (100 - 20), 1],
    ),
    "quiz_5_3": lambda: (
        len(reference(5)["split_document"](list(range(500)), 128, 64)),
        [math.ceil(500 / 64), math.ceil((500 - 128) / 64), math.ceil(500 / 128)],
    ),
    "quiz_6_3": lambda: (
        196 * math.sqrt(0.9 * 0.1 / 400),
        [
            100 * math.sqrt(0.9 * 0.1 / 400),
            2 * 196 * math.sqrt(0.9 * 0.1 / 400),
            1.96 * math.sqrt(0.9 * 0.1 / 400),
            196 * math.sqrt(0.5 * 0.5 / 400),
        ],
    ),
    "quiz_7_3": lambda: (
        cascade((1, 4, 12), (1, 0.5, 0.2)),
        [
            cascade((1, 4, 12), (0.5, 0.3, 0.2)),
            cascade((1, 4, 12), (1, 1, 1)),
            cascade((1, 4, 12), (1, 0.5, 0.5 * 0.7)),
            12,
        ],
    ),
    "quiz_8_3": lambda: (
        reference(8)["macro_f1"]([1] * 9 + [0], [1] * 6 + [0] * 4, 2),
        [
            (6 + 1) / 10,
            f1(6, 3, 0),
            (6 * f1(6, 3, 0) + 4 * f1(1, 0, 3)) / 10,
            f1(1, 0, 3),
        ],
    ),
    "quiz_9_3": lambda: (
        CACHE / 1000,
        [CACHE / 2 / 1000, CACHE / 4 / 1000, CACHE / 100 / 1000, CACHE / 1024],
    ),
    "quiz_10_3": lambda: (
        100 * (1 - 0.9**10),
        [10 * 10, 100 * 0.9**10, 100 * (1 - 0.9), 100 * (1 - 0.95**10)],
    ),
    "quiz_11_3": lambda: (
        encoder_flops() / 1e6,
        [
            encoder_flops() / 2 / 1e6,
            2 * 2 * MATRICES / 1e6,
            2 * MATRICES / 1e6,
            encoder_flops() / 32 / 1e6,
        ],
    ),
}


@named(OF_NUMBER)
def test_every_number_is_what_its_formula_gives(question):
    right, wrong = COMPUTED[question.name]()
    slack = max(question.tolerance / 2, 1e-9)
    assert abs(right - question.value) <= slack, right
    assert len(wrong) == len(question.near)
    for computed, (value, text) in zip(wrong, question.near, strict=True):
        assert abs(computed - value) <= slack, (computed, text.en)


def test_the_check_of_numbers_would_notice():
    assert encoder_flops() == 2 * 2 * (MATRICES + ATTENTION)
    assert set(COMPUTED) == {question.name for question in OF_NUMBER}


def test_the_choices_of_the_frontier_are_what_the_function_finds():
    (question,) = [question for question in QUESTIONS if question.name == "quiz_6_2"]
    letters = list(question.choices)
    points = []
    for letter in letters:
        cost, quality = re.findall(r"\d+", question.choices[letter].en)
        points.append((int(cost), int(quality)))
    frontier = reference(6)["pareto_frontier"](points)
    assert {letters[i] for i in frontier} == set(question.right)


# --- every student's own order ------------------------------------------------------------------


@named(OF_CHOICE)
def test_students_see_different_orders_and_are_judged_alike(question, monkeypatch):
    texts = {letter: text.both for letter, text in question.choices.items()}
    pages = {}
    for student in ROSTER:
        monkeypatch.setenv(STUDENT_VARIABLES[0], student)
        pages[student] = show_choices(question.name, **texts).data
        assert sorted(re.findall(r"\*\*(\w)\*\*", pages[student])) == sorted(question.letters)
        assert failure(question, list(question.right)) is None
    assert len(set(pages.values())) >= 10
    monkeypatch.setenv(STUDENT_VARIABLES[0], ROSTER[0])
    assert show_choices(question.name, **texts).data == pages[ROSTER[0]], "it stays the same"


def test_a_neighbours_place_does_not_help():
    """Copying "the second one from above" is right no more often than a guess would be."""
    copied = guessed = 0.0
    for question in OF_CHOICE:
        if question.kind != "one":
            continue
        orders = [order_of_choices(question.name, question.letters, s) for s in ROSTER]
        places = [order.index(question.right) for order in orders]
        neighbours = itertools.pairwise(places)
        copied += sum(mine == theirs for mine, theirs in neighbours)
        guessed += (len(ROSTER) - 1) / len(question.letters)
    assert 0.8 * guessed < copied < 1.2 * guessed


def test_the_letters_and_the_written_order_tell_nothing():
    """Neither the alphabet nor the place in the source says what is right."""
    places = []
    for question in OF_CHOICE:
        assert list(question.choices) == sorted(question.choices)
        places += [
            question.letters.index(letter) / (len(question.letters) - 1)
            for letter in question.right
        ]
    assert 0.3 < sum(places) / len(places) < 0.7
    letters = "".join(question.right for question in OF_CHOICE)
    assert max(letters.count(letter) for letter in letters) <= len(letters) / 4


def test_where_accounts_are_shared_the_machine_stands_for_the_student(monkeypatch):
    for variable in STUDENT_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    assert current_student().startswith("machine ")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert current_student() == "ann"
    monkeypatch.setenv("NB_USER", "jovyan")
    assert current_student() == "ann" and "jovyan" in SHARED_ACCOUNTS
    monkeypatch.setenv("JUPYTERHUB_USER", "u17")
    assert current_student() == "u17"


# --- forms --------------------------------------------------------------------------------------


def test_odd_values_are_no_answer():
    assert chosen("ｂ") == {"B"} and chosen(7) == set() and chosen([7]) == {"?"}
    assert math.isnan(number("many")) and math.isnan(number(None)) and math.isnan(number([1, 2]))
    assert number("1.5e2") == 150 and number("８") == 8 and number(10**400) != 8
    assert not is_near(math.nan, 1, 1) and is_near(0.1 + 0.2, 0.3, 0)
    assert joined(["One. 一。", "Two."]) == "One. Two. 一。"


BROKEN = {
    'kind = "two"': "allowed: one, several, number",
    'A = ["a", "甲"]\nB = ["b", "乙"]': "2 right of 2",
    'A = ["a", "甲"]\nBB = ["b", "乙", "c", "丙"]': "BB; a choice is a capital letter",
    'A = ["a", "甲"]\nB = ["b", "x乙", "c", "丙"]': "Chinese begins with it",
    'A = ["a甲", "甲"]\nB = ["b", "乙", "c", "丙"]': "English has no Chinese",
}


@pytest.mark.parametrize("lines", BROKEN)
def test_a_question_that_is_written_wrongly_is_named(tmp_path, lines):
    folder = tmp_path / QUIZZES
    folder.mkdir()
    kind = "" if lines.startswith("kind") else 'kind = "one"\n'
    text = f'[quiz_3_1]\n{kind}en = "?"\nzh = "？"\n{lines}\n'
    (folder / "lecture_03.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="quiz_3_1") as raised:
        read_questions(tmp_path, 3)
    assert BROKEN[lines] in str(raised.value)
    (folder / "lecture_03.toml").write_text("[quiz_3_2]\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="expected: quiz_3_1"):
        read_questions(tmp_path, 3)


def test_a_notebook_without_a_quiz_cannot_take_one(tmp_path):
    name = NOTEBOOKS[3]
    (tmp_path / name).mkdir()
    Path(tmp_path / name / f"{name}.ipynb").write_text('{"cells": []}')
    with pytest.raises(InvalidInput, match="role-quiz"):
        write_answers(tmp_path, SOLUTIONS, 3)


@named(OF_CHOICE)
def test_to_choose_everything_is_no_answer(question):
    assert failure(question, list(question.letters)) is not None
    assert failure(question, question.letters) is not None
