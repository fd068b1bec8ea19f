"""Small stories with questions, in the manner of bAbI (Weston et al. 2015). Needs no torch.

Every answer is a word of the text, so that a model that marks spans can give it. Answers that no sentence holds (yes,
no, numbers, directions) stand in a list before the story.

Training and testing take place in two worlds that share no person, place or thing. The world of training is the larger,
so that its names are hard to learn by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

LIST = ["yes", "no", "none", "one", "two", "three", "north", "south", "east", "west", "."]
DIRECTIONS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
CAST = {"people": 6, "places": 8, "objects": 6}  # of one story
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")


@dataclass(frozen=True)
class World:
    """Who and what stories may be about; whether each person is a she or a he.

    Raises:
        ValueError: too few for one story.
    """

    people: dict[str, str]
    places: tuple[str, ...]
    objects: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, needed in CAST.items():
            if len(getattr(self, name)) < needed:
                raise ValueError(
                    f"World: {name}={getattr(self, name)!r}; allowed: {needed} or more."
                )

    def cast(self, random: Random) -> "World":
        """Those of one story (`CAST`)."""
        people = random.sample(sorted(self.people), CAST["people"])
        return World(
            {person: self.people[person] for person in people},
            tuple(random.sample(self.places, CAST["places"])),
            tuple(random.sample(self.objects, CAST["objects"])),
        )


def named_world(women: str, men: str, places: str, objects: str) -> World:
    """A world of names that are separated by spaces."""
    people = dict.fromkeys(women.split(), "she") | dict.fromkeys(men.split(), "he")
    return World(people, tuple(places.split()), tuple(objects.split()))


TRAINING = named_world(
    women="Mary Sandra Lena Alice Sarah Laura Clara Nina Helen Lucy Rose Ruth",
    men="John Daniel Peter Paul Frank George Henry Max Simon Victor Oscar Adam",
    places="kitchen garden office bathroom hallway bedroom cellar library attic garage shop bakery hospital bank farm "
    "castle tower forest harbour stable factory cinema bridge airport",
    objects="apple ball book lamp key cup knife spoon plate pen ring box bag coat shoe camera guitar candle map towel",
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
        kind: one of `KINDS`.
        answer_at: index of the answer among the story's words.
    """

    kind: str
    words: list[str]
    question: list[str]
    answer_at: int

    @property
    def answer(self) -> str:
        return self.words[self.answer_at]


class Teller:
    """Tells a story word by word, and keeps in mind what follows from it."""

    def __init__(self, random: Random, world: World) -> None:
        self.random, self.world = random, world.cast(random)
        self.words = list(LIST)
        self.been: dict[
            str, list[int]
        ] = {}  # person or thing -> where in the text each place that it was at stands
        self.holder: dict[str, int] = {}  # thing -> where the name of who has it stands

    def say(self, *words: str) -> int:
        """Add words; returns where the first stands."""
        self.words += words
        return len(self.words) - len(words)

    def person(self) -> str:
        return self.random.choice(list(self.world.people))

    def other_place(self, who: str) -> str:
        here = self.words[self.been[who][-1]] if self.been.get(who) else None
        return self.random.choice([place for place in self.world.places if place != here])

    def carried_by(self, person: str) -> list[str]:
        return [thing for thing, at in self.holder.items() if self.words[at] == person]

    def go(self, person: str, *before: str, by: str | None = None) -> None:
        start = self.say(*before, by or person, "went", "to", "the", self.other_place(person), ".")
        at = start + len(before) + 4
        for who in (person, *self.carried_by(person)):
            self.been.setdefault(who, []).append(at)

    def take(self, person: str) -> None:
        """Take what nobody has; where there is nothing left, go somewhere."""
        free = [thing for thing in self.world.objects if thing not in self.holder]
        if not free:
            return self.go(person)
        thing = self.random.choice(free)
        self.holder[thing] = self.say(person, "took", "the", thing, ".")
        if self.been.get(person):
            self.been.setdefault(thing, []).append(self.been[person][-1])
        else:
            self.been.pop(thing, None)

    def drop(self, person: str) -> None:
        thing = self.random.choice(self.carried_by(person))
        del self.holder[thing]
        self.say(person, "dropped", "the", thing, ".")

    def events(self, count: int) -> None:
        """People go about and take things."""
        for _ in range(count):
            person = self.person()
            self.go(person) if self.random.random() < 0.6 else self.take(person)

    def asked(self, kind: str, question: str, answer: int | str) -> Story:
        at = answer if isinstance(answer, int) else LIST.index(answer)
        return Story(kind, self.words, question.split(), at)


def _where_person(t: Teller) -> Story | None:
    t.events(5)
    known = [p for p in t.world.people if t.been.get(p)]
    who = t.random.choice(known) if known else None
    return t.asked("where is a person", f"where is {who} ?", t.been[who][-1]) if who else None


def _where_object(t: Teller) -> Story | None:
    t.events(5)
    known = [o for o in t.world.objects if t.been.get(o)]
    thing = t.random.choice(known) if known else None
    return (
        t.asked("where is an object", f"where is the {thing} ?", t.been[thing][-1])
        if thing
        else None
    )


def _who_has(t: Teller) -> Story | None:
    t.events(5)
    thing = t.random.choice(list(t.holder)) if t.holder else None
    return (
        t.asked("who has an object", f"who has the {thing} ?", t.holder[thing]) if thing else None
    )


def _where_before(t: Teller) -> Story | None:
    """Three facts: who took it, where to, and where before that."""
    t.events(7)
    moved = [o for o in t.world.objects if len(t.been.get(o, ())) >= 2]
    if not moved:
        return None
    thing = t.random.choice(moved)
    *_, before, last = t.been[thing]
    return t.asked(
        "where was it before", f"where was the {thing} before the {t.words[last]} ?", before
    )


def _negation(t: Teller) -> Story | None:
    facts: dict[str, tuple[str, bool]] = {}
    for _ in range(4):
        person, place = t.person(), t.random.choice(t.world.places)
        there = t.random.random() < 0.5
        t.say(person, "is", *(["in"] if there else ["no", "longer", "in"]), "the", place, ".")
        facts[person] = (place, there)
    person = t.random.choice(list(facts))
    place, there = facts[person]
    return t.asked("negation", f"is {person} in the {place} ?", "yes" if there else "no")


def _counting(t: Teller) -> Story | None:
    for _ in range(6):
        person = t.person()
        t.drop(person) if t.carried_by(person) and t.random.random() < 0.4 else t.take(person)
    person = t.random.choice(sorted({*(t.words[at] for at in t.holder.values()), t.person()}))
    count = len(t.carried_by(person))
    if count > 3:
        return None
    return t.asked(
        "counting", f"how many things does {person} have ?", ("none", "one", "two", "three")[count]
    )


def _coreference(t: Teller) -> Story | None:
    for _ in range(3):
        person = t.person()
        t.go(person)
        t.go(person, "then", by=t.world.people[person])
    person = t.random.choice([p for p in t.world.people if t.been.get(p)])
    return t.asked("coreference", f"where is {person} ?", t.been[person][-1])


def _time(t: Teller) -> Story | None:
    person, *others = t.random.sample(list(t.world.people), 2)
    when = dict.fromkeys(t.random.sample(TIMES, 3), 0)
    order = [*when, *when]
    t.random.shuffle(order)
    told = {person: dict(when), others[0]: {}}
    for time in order:
        who = person if not told[person][time] else others[0]
        at = t.say(*time.split(), who, "was", "in", "the", t.random.choice(t.world.places), ".")
        told[who][time] = at + len(time.split()) + 4
    time = t.random.choice(list(when))
    return t.asked("time", f"where was {person} {time} ?", told[person][time])


def _path(t: Teller) -> Story | None:
    places = t.random.sample(t.world.places, 4)
    at = {places[0]: (0, 0)}
    for before, place in pairwise(places):
        free = [
            d
            for d, (x, y) in DIRECTIONS.items()
            if (at[before][0] + x, at[before][1] + y) not in at.values()
        ]
        way = t.random.choice(free)
        at[place] = (at[before][0] + DIRECTIONS[way][0], at[before][1] + DIRECTIONS[way][1])
        t.say("the", place, "is", way, "of", "the", before, ".")
    start = t.random.randrange(3)
    pair = [places[start], places[start + 1]]
    t.random.shuffle(pair)
    step = (at[pair[1]][0] - at[pair[0]][0], at[pair[1]][1] - at[pair[0]][1])
    way = next(name for name, move in DIRECTIONS.items() if move == step)
    return t.asked("path", f"which way is it from the {pair[0]} to the {pair[1]} ?", way)


TELL: dict[str, Callable[[Teller], Story | None]] = {
    "where is a person": _where_person,
    "where is an object": _where_object,
    "where was it before": _where_before,
    "who has an object": _who_has,
    "negation": _negation,
    "counting": _counting,
    "coreference": _coreference,
    "time": _time,
    "path": _path,
}
KINDS = tuple(TELL)


def make_story(random: Random, kind: str, world: World = TRAINING) -> Story:
    """A story of a kind, and a question whose answer follows from it.

    Raises:
        ValueError: no such kind.
    """
    if kind not in TELL:
        raise ValueError(f"make_story: kind={kind!r}; allowed: {', '.join(map(repr, KINDS))}.")
    while True:
        if (story := TELL[kind](Teller(random, world))) is not None:
            return story


def make_stories(
    count: int, seed: int, kinds: Sequence[str] = KINDS, world: World = TRAINING
) -> list[Story]:
    """Stories of all kinds in turn; the same for the same seed."""
    random = Random(seed)
    return [make_story(random, kinds[i % len(kinds)], world) for i in range(count)]


def last_mentioned(story: Story) -> str:
    """The simplest baseline: of the words that may be the answer, the one that was named last."""
    answer = story.answer
    world = next(
        w
        for w in (TRAINING, TESTING)
        if any(word in w.places or word in w.people for word in story.words)
    )
    kinds: tuple[Sequence[str], ...] = (
        list(world.people),
        world.places,
        LIST[:2],
        LIST[2:6],
        LIST[6:10],
    )
    wanted = next(kind for kind in kinds if answer in kind)
    return next(word for word in reversed(story.words) if word in wanted)
