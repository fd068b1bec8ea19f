"""Generate small stories with questions, in the manner of bAbI (Weston et al. 2015).

Every answer is a word of the text, so that a model that marks spans can give it. Answers that no
sentence holds (yes, no, numbers, directions) are listed before the story (`ANSWER_WORDS`).

Training and testing take place in two worlds that share no person, place or thing. The world of
training is the larger one, so that its names are hard to learn by heart. Needs no torch.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from tinybert_l.errors import InvalidInput

# Stand before every story: answers that its sentences need not hold.
YES_AND_NO = ("yes", "no")
NUMBERS = ("none", "one", "two", "three")
DIRECTIONS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
ANSWER_WORDS = (*YES_AND_NO, *NUMBERS, *DIRECTIONS, ".")

CAST_SIZES = {"people": 6, "places": 8, "objects": 6}  # how many of each take part in one story
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")


@dataclass(frozen=True)
class World:
    """The people, places and objects that stories may be about.

    Args:
        people: the pronoun, "she" or "he", of each name.
    Raises:
        InvalidInput: too few of a kind for one story (`CAST_SIZES`).
    """

    people: dict[str, str]
    places: tuple[str, ...]
    objects: tuple[str, ...]

    def __post_init__(self) -> None:
        for kind, needed in CAST_SIZES.items():
            members = getattr(self, kind)
            if len(members) < needed:
                raise InvalidInput(f"World: {kind}={members!r}; allowed: {needed} or more.")

    def sample_cast(self, random: Random) -> "World":
        """Draw the people, places and objects of one story."""
        people = random.sample(sorted(self.people), CAST_SIZES["people"])
        places = random.sample(self.places, CAST_SIZES["places"])
        objects = random.sample(self.objects, CAST_SIZES["objects"])
        pronouns = dict(zip(people, map(self.people.__getitem__, people), strict=True))
        return World(pronouns, tuple(places), tuple(objects))


def named_world(women: str, men: str, places: str, objects: str) -> World:
    """Build a world from names that are separated by spaces."""
    people = dict.fromkeys(women.split(), "she") | dict.fromkeys(men.split(), "he")
    return World(people, tuple(places.split()), tuple(objects.split()))


TRAINING = named_world(
    women="Mary Sandra Lena Alice Sarah Laura Clara Nina Helen Lucy Rose Ruth",
    men="John Daniel Peter Paul Frank George Henry Max Simon Victor Oscar Adam",
    places="kitchen garden office bathroom hallway bedroom cellar library attic garage shop bakery "
    "hospital bank farm castle tower forest harbour stable factory cinema bridge airport",
    objects="apple ball book lamp key cup knife spoon plate pen ring box bag coat shoe camera "
    "guitar candle map towel",
)
TESTING = named_world(
    women="Anna Julia Emma",
    men="David Thomas Robert",
    places="park school church market station museum hotel theatre",
    objects="letter phone watch hat coin bottle",
)


@dataclass(frozen=True)
class Story:
    """A story, a question on it, and the one word of the story that answers it.

    Args:
        kind: a key of `KINDS`.
        words: the story, answer words first.
        question: its words.
        answer_at: index of the answer in `words`.
    """

    kind: str
    words: list[str]
    question: list[str]
    answer_at: int

    @property
    def answer(self) -> str:
        """The word that answers the question."""
        return self.words[self.answer_at]


class Teller:
    """Tells a story word by word, and keeps track of the facts that follow from it.

    Attributes:
        cast: the people, places and objects of this story.
        words: the story so far, answer words first.
        visits: for each person or thing, where the names of the places stand in `words` at which it
            has been, in order.
        holders: for each thing that is held, where the name of its holder stands in `words`.
    """

    def __init__(self, random: Random, world: World) -> None:
        self.random = random
        self.cast = world.sample_cast(random)
        self.words = list(ANSWER_WORDS)
        self.visits: dict[str, list[int]] = {}
        self.holders: dict[str, int] = {}

    def say(self, *words: str) -> int:
        """Add words; return the index of the first."""
        self.words += words
        return len(self.words) - len(words)

    def person(self) -> str:
        """Draw a person."""
        return self.random.choice(list(self.cast.people))

    def other_place(self, person: str) -> str:
        """Draw a place at which the person is not."""
        visits = self.visits.get(person)
        here = self.words[visits[-1]] if visits else None
        return self.random.choice([place for place in self.cast.places if place != here])

    def visited(self, names: Collection[str], at_least: int = 1) -> list[str]:
        """Return the people or things whose last places are known, `at_least` so many."""
        return [name for name in names if len(self.visits.get(name, ())) >= at_least]

    def carried_by(self, person: str) -> list[str]:
        """Return the things that a person holds."""
        return [thing for thing, at in self.holders.items() if self.words[at] == person]

    def go(self, person: str, *before: str, called: str | None = None) -> None:
        """Let a person, and all that they carry, go to another place.

        Args:
            before: words at the start of the sentence.
            called: a pronoun in place of the name.
        """
        start = self.say(
            *before, called or person, "went", "to", "the", self.other_place(person), "."
        )
        place_at = start + len(before) + 4
        for mover in (person, *self.carried_by(person)):
            self.visits.setdefault(mover, []).append(place_at)

    def take(self, person: str) -> None:
        """Let a person take a thing that nobody holds; where all are held, let them go away."""
        free = [thing for thing in self.cast.objects if thing not in self.holders]
        if not free:
            self.go(person)
            return
        thing = self.random.choice(free)
        self.holders[thing] = self.say(person, "took", "the", thing, ".")
        if self.visits.get(person):
            self.visits.setdefault(thing, []).append(self.visits[person][-1])
        else:
            self.visits.pop(thing, None)

    def drop(self, person: str) -> None:
        """Let a person drop a thing that they hold."""
        thing = self.random.choice(self.carried_by(person))
        del self.holders[thing]
        self.say(person, "dropped", "the", thing, ".")

    def events(self, count: int) -> None:
        """Let people go about and take things."""
        for _ in range(count):
            person = self.person()
            if self.random.random() < 0.6:
                self.go(person)
            else:
                self.take(person)


# A question, and its answer: the index of a word of the story, or one of `ANSWER_WORDS`.
Asked = tuple[str, int | str]
# Tells a story and asks about it; None where the story happens to hold no answer.
TellStory = Callable[[Teller], Asked | None]
_TELLERS: dict[str, TellStory] = {}


def _tells(kind: str) -> Callable[[TellStory], TellStory]:
    """Register the function that tells stories of a kind."""

    def register(function: TellStory) -> TellStory:
        _TELLERS[kind] = function
        return function

    return register


@_tells("where is a person")
def _where_person(teller: Teller) -> Asked | None:
    teller.events(5)
    known = teller.visited(teller.cast.people)
    if not known:
        return None
    person = teller.random.choice(known)
    return f"where is {person} ?", teller.visits[person][-1]


@_tells("where is an object")
def _where_object(teller: Teller) -> Asked | None:
    teller.events(5)
    known = teller.visited(teller.cast.objects)
    if not known:
        return None
    thing = teller.random.choice(known)
    return f"where is the {thing} ?", teller.visits[thing][-1]


@_tells("where was it before")
def _where_before(teller: Teller) -> Asked | None:
    """Needs three facts: who took it, where they went, and where it was before that."""
    teller.events(7)
    moved = teller.visited(teller.cast.objects, at_least=2)
    if not moved:
        return None
    thing = teller.random.choice(moved)
    before, last = teller.visits[thing][-2:]
    return f"where was the {thing} before the {teller.words[last]} ?", before


@_tells("who has an object")
def _who_has(teller: Teller) -> Asked | None:
    teller.events(5)
    if not teller.holders:
        return None
    thing = teller.random.choice(list(teller.holders))
    return f"who has the {thing} ?", teller.holders[thing]


@_tells("negation")
def _negation(teller: Teller) -> Asked | None:
    facts: dict[str, tuple[str, bool]] = {}
    for _ in range(4):
        person = teller.person()
        place = teller.random.choice(teller.cast.places)
        is_there = teller.random.random() < 0.5
        verb = ("is", "in") if is_there else ("is", "no", "longer", "in")
        teller.say(person, *verb, "the", place, ".")
        facts[person] = (place, is_there)
    person = teller.random.choice(list(facts))
    place, is_there = facts[person]
    return f"is {person} in the {place} ?", "yes" if is_there else "no"


@_tells("counting")
def _counting(teller: Teller) -> Asked | None:
    for _ in range(6):
        person = teller.person()
        if teller.carried_by(person) and teller.random.random() < 0.4:
            teller.drop(person)
        else:
            teller.take(person)
    candidates = set(map(teller.words.__getitem__, teller.holders.values()))
    candidates.add(teller.person())
    person = teller.random.choice(sorted(candidates))
    count = len(teller.carried_by(person))
    if count >= len(NUMBERS):
        return None
    return f"how many things does {person} have ?", NUMBERS[count]


@_tells("coreference")
def _coreference(teller: Teller) -> Asked | None:
    for _ in range(3):
        person = teller.person()
        teller.go(person)
        teller.go(person, "then", called=teller.cast.people[person])
    person = teller.random.choice(teller.visited(teller.cast.people))
    return f"where is {person} ?", teller.visits[person][-1]


@_tells("time")
def _time(teller: Teller) -> Asked | None:
    """Tell at three times, in any order, where two people were; ask of the first."""
    person, other = teller.random.sample(list(teller.cast.people), 2)
    times = teller.random.sample(TIMES, 3)
    order = [*times, *times]
    teller.random.shuffle(order)
    place_at: dict[str, int] = {}
    for time in order:
        place = teller.random.choice(teller.cast.places)
        time_words = time.split()
        who = other if time in place_at else person
        start = teller.say(*time_words, who, "was", "in", "the", place, ".")
        if who == person:
            place_at[time] = start + len(time_words) + 4
    time = teller.random.choice(times)
    return f"where was {person} {time} ?", place_at[time]


@_tells("path")
def _path(teller: Teller) -> Asked | None:
    """Lay four places on a grid, each beside the one before; ask for one of the three steps."""
    places = teller.random.sample(teller.cast.places, 4)
    coordinates = {places[0]: (0, 0)}
    for before, place in pairwise(places):
        x, y = coordinates[before]
        free = {}
        for name, (dx, dy) in DIRECTIONS.items():
            if (x + dx, y + dy) not in coordinates.values():
                free[name] = (x + dx, y + dy)
        direction = teller.random.choice(list(free))
        coordinates[place] = free[direction]
        teller.say("the", place, "is", direction, "of", "the", before, ".")
    start = teller.random.randrange(3)
    ends = places[start : start + 2]
    teller.random.shuffle(ends)
    (x, y), (goal_x, goal_y) = coordinates[ends[0]], coordinates[ends[1]]
    names = list(DIRECTIONS)
    direction = names[list(DIRECTIONS.values()).index((goal_x - x, goal_y - y))]
    return f"which way is it from the {ends[0]} to the {ends[1]} ?", direction


KINDS = tuple(_TELLERS)


def make_story(random: Random, kind: str, world: World = TRAINING) -> Story:
    """Tell a story of a kind, with a question whose answer follows from it.

    Raises:
        InvalidInput: no such kind.
    """
    if kind not in _TELLERS:
        raise InvalidInput(f"make_story: kind={kind!r}; allowed: {', '.join(map(repr, KINDS))}.")
    while True:
        teller = Teller(random, world)
        asked = _TELLERS[kind](teller)
        if asked is not None:
            question, answer = asked
            answer_at = ANSWER_WORDS.index(answer) if isinstance(answer, str) else answer
            return Story(kind, teller.words, question.split(), answer_at)


def make_stories(
    count: int, seed: int, kinds: Sequence[str] = KINDS, world: World = TRAINING
) -> list[Story]:
    """Tell stories of all kinds in turn; the same ones for the same seed."""
    random = Random(seed)
    return [make_story(random, kinds[i % len(kinds)], world) for i in range(count)]


def last_mentioned(story: Story) -> str:
    """Answer by the simplest baseline: of the words that fit the question, the last in the text.

    The kind of word that fits (a person, a place, yes or no, ...) is taken from the right answer.
    """
    return _fitting_words(story)[-1]


def _fitting_words(story: Story) -> list[str]:
    """Return the words of the text, in order, that are of the right answer's kind."""
    tested = set(TESTING.people).union(TESTING.places)
    world = TRAINING if tested.isdisjoint(story.words) else TESTING
    kinds: tuple[Collection[str], ...] = (
        world.people,
        world.places,
        YES_AND_NO,
        NUMBERS,
        DIRECTIONS,
    )
    fitting = next(kind for kind in kinds if story.answer in kind)
    return [word for word in story.words if word in fitting]


def _last_unasked(story: Story) -> str:
    words = _fitting_words(story)
    unasked = [word for word in words if word not in story.question]
    return (unasked or words)[-1]


def _mentioned_most(story: Story) -> str:
    """Return the most frequent fitting word; of several, the one mentioned last."""
    words = _fitting_words(story)
    return max(reversed(words), key=words.count)


# Trivial ways to answer, beside always giving the same word: what does counting and place alone do?
MENTION_RULES: dict[str, Callable[[Story], str]] = {
    "mentioned_last": last_mentioned,
    "mentioned_last_unasked": _last_unasked,
    "mentioned_first": lambda story: _fitting_words(story)[0],
    "mentioned_most": _mentioned_most,
}
ALWAYS = "always"


@dataclass(frozen=True)
class TrivialAnswer:
    """A way to answer without reading.

    Args:
        rule: "always", or a key of `MENTION_RULES`.
        word: that is always answered; None for the other rules.
    """

    rule: str
    word: str | None = None

    def answer(self, story: Story) -> str:
        """Answer the question of a story."""
        if self.word is not None:
            return self.word
        return MENTION_RULES[self.rule](story)

    def correct(self, stories: Sequence[Story]) -> list[int]:
        """Return 1 for each story that is answered rightly, else 0."""
        return [int(self.answer(story) == story.answer) for story in stories]


def best_trivial_answer(stories: Sequence[Story]) -> TrivialAnswer:
    """Return the trivial answer that is right for most of the stories, all of one kind.

    "Always" gives words that stand before every story, since names differ between the worlds. Of
    equal ones the first counts: "always" before the rules of mention.

    Raises:
        InvalidInput: no stories, or stories of several kinds.
    """
    kinds = sorted({story.kind for story in stories})
    if len(kinds) != 1:
        raise InvalidInput(
            f"best_trivial_answer: stories of {kinds}; allowed: at least one story, all of one "
            "kind."
        )
    candidates = [TrivialAnswer(ALWAYS, word) for word in ANSWER_WORDS[:-1]]
    candidates += map(TrivialAnswer, MENTION_RULES)
    return max(candidates, key=lambda candidate: sum(candidate.correct(stories)))
