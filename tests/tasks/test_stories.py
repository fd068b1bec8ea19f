"""Stories of nine kinds: the answer follows from the words, and cannot be guessed too often."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from tinybert_l.tasks.stories import (
    ANSWER_WORDS,
    CAST_SIZES,
    KINDS,
    NUMBERS,
    TESTING,
    TRAINING,
    Story,
    Teller,
    TrivialAnswer,
    best_trivial_answer,
    last_mentioned,
    make_stories,
    make_story,
)

OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}


def test_the_two_worlds_share_nothing():
    for kind in CAST_SIZES:
        assert not set(getattr(TRAINING, kind)) & set(getattr(TESTING, kind))
    words = {word for story in make_stories(200, 0, world=TESTING) for word in story.words}
    assert not words & {*TRAINING.people, *TRAINING.places, *TRAINING.objects}


def test_every_story_has_a_cast_and_training_has_many():
    names = {*TRAINING.people, *TRAINING.places}
    met = Counter()
    for story in make_stories(400, 0):
        met.update(names.intersection(story.words))
    assert len(met) == len(names) > 40
    cast = Teller(Random(0), TRAINING).cast
    for kind, count in CAST_SIZES.items():
        assert len(getattr(cast, kind)) == count
        assert set(getattr(cast, kind)) < set(getattr(TRAINING, kind))


def test_a_world_that_is_too_small_and_a_kind_that_is_unknown_are_named():
    with pytest.raises(ValueError, match=r"people=.*6 or more"):
        replace(TESTING, people={"Anna": "she"})
    with pytest.raises(ValueError, match=r"kind='riddle'; allowed: 'where is a person'"):
        make_story(Random(0), "riddle")


def test_stories_are_the_same_for_a_seed():
    stories = make_stories(60, 3)
    assert stories == make_stories(60, 3) != make_stories(60, 4)
    assert {story.kind for story in stories} == set(KINDS)


def test_the_baseline_is_worth_beating_and_can_be_beaten():
    stories = make_stories(60, 3)
    assert 10 < sum(last_mentioned(story) == story.answer for story in stories) < 55


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("mentioned_last", "school"),
        ("mentioned_last_unasked", "park"),
        ("mentioned_first", "market"),
        ("mentioned_most", "park"),
    ],
)
def test_a_trivial_rule_looks_at_mentions_alone(rule, answer):
    text = (
        "yes no Anna went to the market . Anna went to the park . Emma went to the park . to school"
    )
    words = text.split()
    story = Story(
        "where was it before", words, ["where", "was", "it", "before", "the", "school", "?"], 6
    )
    assert story.answer == "market"
    assert TrivialAnswer(rule).answer(story) == answer
    assert TrivialAnswer(rule).correct([story, story]) == [int(answer == "market")] * 2


def test_the_best_trivial_answer_is_the_best_on_the_stories_it_is_chosen_on():
    counting = make_stories(200, 5, ["counting"])
    best = best_trivial_answer(counting)
    assert best == TrivialAnswer("always", "one")
    right = sum(best.correct(counting))
    assert right == sum(story.answer == "one" for story in counting)
    assert right >= max(sum(TrivialAnswer("always", word).correct(counting)) for word in NUMBERS)
    where = make_stories(200, 5, ["where was it before"])
    assert best_trivial_answer(where).word is None, "names differ between the worlds"
    with pytest.raises(ValueError, match=r"best_trivial_answer: stories of \[\]"):
        best_trivial_answer([])
    with pytest.raises(ValueError, match="all of one kind"):
        best_trivial_answer([counting[0], where[0]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [TRAINING, TESTING], ids=["training", "testing"])
def test_the_answer_follows_from_the_story(kind, world):
    stories = make_stories(150, 7, [kind], world)
    answers = [story.answer for story in stories]
    assert answers == list(map(solved, stories))
    assert len(set(answers)) >= 2
    guessed = sum(last_mentioned(story) == story.answer for story in stories)
    assert guessed < 0.75 * len(stories), "too easy to guess"


def solved(story: Story) -> str:
    """The answer, derived from the words alone, by other means than the teller's."""
    text = " ".join(story.words[len(ANSWER_WORDS) :])
    sentences = [sentence.split() for sentence in text.split(" .") if sentence.split()]
    solver = {
        "negation": solved_negation,
        "counting": solved_counting,
        "time": solved_time,
        "path": solved_path,
    }.get(story.kind, solved_movement)
    return solver(sentences, story)


def solved_negation(sentences: list[list[str]], story: Story) -> str:
    person = story.question[1]
    last = next(sentence for sentence in reversed(sentences) if sentence[0] == person)
    return "no" if "longer" in last else "yes"


def solved_counting(sentences: list[list[str]], story: Story) -> str:
    holder = {}
    for person, verb, _, thing in sentences:
        holder[thing] = person if verb == "took" else None
    return NUMBERS[list(holder.values()).count(story.question[4])]


def solved_time(sentences: list[list[str]], story: Story) -> str:
    person = story.question[2]
    time = story.question[3:-1]
    for sentence in sentences:
        if person in sentence and sentence[: len(time)] == time:
            return sentence[-1]
    raise AssertionError("no sentence tells it")


def solved_path(sentences: list[list[str]], story: Story) -> str:
    start, goal = story.question[6], story.question[9]
    for sentence in sentences:  # the PLACE is DIRECTION of the PLACE
        if {sentence[1], sentence[6]} == {start, goal}:
            direction = sentence[3]
            return direction if sentence[1] == goal else OPPOSITE[direction]
    raise AssertionError("no sentence tells it")


def solved_movement(sentences: list[list[str]], story: Story) -> str:
    places: dict[str, list[str]] = {}
    holder: dict[str, str] = {}
    previous = ""
    for sentence in sentences:
        if sentence[0] == "then":
            sentence = sentence[1:]
        person = previous if sentence[0] in ("she", "he") else sentence[0]
        previous = person
        if "took" in sentence:
            thing = sentence[3]
            holder[thing] = person
            places.setdefault(thing, []).extend(places.get(person, [])[-1:])
        else:
            carried = [thing for thing, owner in holder.items() if owner == person]
            for mover in (person, *carried):
                places.setdefault(mover, []).append(sentence[-1])
    if story.kind == "who has an object":
        return holder[story.question[3]]
    if story.kind == "where was it before":
        return places[story.question[3]][-2]
    return places[story.question[-2]][-1]
