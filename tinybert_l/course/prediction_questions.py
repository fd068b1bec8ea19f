"""The predictions that the lectures ask for: an interval, or one of several choices."""

from dataclasses import dataclass
from typing import Literal

from tinybert_l.errors import InvalidInput
from tinybert_l.languages import in_words

Kind = Literal["interval", "choice"]
CONFIDENCE = 0.9  # how sure a student is to be of an interval
SIZES = {
    "6x1": "6×1",
    "6x0.5": "6×½",
    "6x0.25": "6×¼",
    "3x1": "3×1",
    "3x0.5": "3×½",
    "3x0.25": "3×¼",
    "2x1": "2×1",
    "2x0.5": "2×½",
    "2x0.25": "2×¼",
    "undecided": "cannot be told 分不出",
}
HARD_OR_SOFT = {
    "hard": "hard labels 硬标签",
    "soft": "soft labels 软标签",
    "undecided": "cannot be told 分不出",
}


@dataclass(frozen=True)
class Question:
    """What is to be predicted.

    Args:
        lecture: number of the lecture that asks.
        text: the quantity in a few words, English first.
        unit_text: of an interval's ends.
        choices: (key, words) of each; empty where an interval is asked for.
    """

    lecture: int
    text: str
    unit_text: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """The quantity in the course's language, or in both."""
        return in_words(self.text)

    @property
    def unit(self) -> str:
        """The unit, likewise."""
        return in_words(self.unit_text)

    @property
    def labels(self) -> dict[str, str]:
        """What each choice is called, {key: words}, likewise."""
        return {key: in_words(words) for key, words in self.choices}

    @property
    def kind(self) -> Kind:
        """Whether an interval or a choice is asked for."""
        return "choice" if self.choices else "interval"


def _interval(lecture: int, words: str, unit: str) -> Question:
    return Question(lecture, words, unit)


def _choice(lecture: int, words: str, choices: dict[str, str]) -> Question:
    return Question(lecture, words, choices=tuple(choices.items()))


QUESTIONS = {
    "embedding-share": _interval(1, "embeddings in all parameters 嵌入占全部参数", "%"),
    "threes-hard-labels": _interval(1, "3s recognised, 0/1 labels 学硬标签认得的3", "%"),
    "threes-soft-labels": _interval(1, "3s recognised, soft labels 学软标签认得的3", "%"),
    "nearer-to-teacher": _choice(1, "nearer to the teacher 更接近教师", HARD_OR_SOFT),
    "more-accurate": _choice(1, "more accurate 更准确", HARD_OR_SOFT),
    "largest-loss": _choice(2, "loses most by sharing 共用权重最吃亏", SIZES),
    "largest-loss-points": _interval(2, "its joint minus separate 最吃亏者的联合减单独", "points"),
    "sum-over-mean-sgd": _interval(2, "way of the weights, SGD 权重移动之比，SGD", "×"),
    "sum-over-mean-adamw": _interval(2, "way of the weights, AdamW 权重移动之比，AdamW", "×"),
    "products-share": _interval(3, "2×¼ of the teacher's FLOPs 2×¼占教师的运算量", "%"),
    "bytes-share": _interval(3, "2×¼ of the teacher's bytes 2×¼占教师的字节", "%"),
    "before-opening": _choice(
        3,
        "curve before opening 开启之前的曲线",
        {"still": "stays where it is 不动", "moves": "moves 会动"},
    ),
    "without-self-distillation": _interval(
        3, "larger distance at the end without 关掉后结束时的距离大多少", "%"
    ),
    "after-the-bad-batch": _choice(
        4,
        "after the bad batch 坏批次之后",
        {
            "a": "A: explodes 甲：爆炸",
            "b": "B: recovers 乙：恢复",
            "c": "C: slow ever after 丙：此后很慢",
        },
    ),
    "last-place": _interval(5, "right by the last place 答最后的地点能对", "%"),
    "cut-accuracy": _interval(6, "2×¼ cut, never trained 2×¼切下未训练", "%"),
    "alone-minus-joint": _interval(6, "2×¼ alone minus joint 2×¼单独减联合", "points"),
    "random-minus-sorted": _interval(7, "2×¼ random minus sorted 2×¼随机序减重要性序", "points"),
    "layers-saved": _interval(
        7, "layers saved for a point at most 至多降1个百分点省下的层数", "layers 层"
    ),
    "longest-third": _choice(
        8,
        "best on the longest third 最长三分之一上最好",
        {
            "cut": "first 128 tokens 只读开头",
            "windows": "windows, averaged 窗口取平均",
            "attention": "windowed attention 窗口注意力",
            "bag": "a bag of words 词袋",
        },
    ),
    "labelled-reviews": _interval(8, "reviews to catch up 追上所需的影评", "reviews 篇"),
    "notices-shuffling": _choice(
        9,
        "notices the reverse 看得出倒排",
        {
            "distinct": "distinct n-grams 不重复率",
            "repetition": "repetition 重复率",
            "similarity": "similarity of neighbours 相邻句相似度",
            "likelihood": "likelihood 似然",
        },
    ),
    "lower-perplexity": _choice(
        9,
        "lower perplexity 困惑度更低",
        {
            "network": "6×1, the network 网络",
            "trigrams": "trigrams 三元语法",
            "undecided": "cannot be told 分不出",
        },
    ),
    "claims-hold": _interval(10, "claims that hold 成立的主张", "claims 条"),
    "claims-hold-if": _interval(10, "hold under a condition 有条件成立", "claims 条"),
    "claims-do-not-hold": _interval(10, "do not hold 不成立", "claims 条"),
    "claims-open": _interval(10, "undecided or no record 未定或无记录", "claims 条"),
    "intervals-without-0": _interval(10, "intervals that leave out 0 不含0的区间", "%"),
    "fewer-flops": _choice(
        11,
        "FLOPs are fewer by 运算量少",
        {"7.5": "about 7.5 times 约7.5倍", "9.4": "about 9.4 times 约9.4倍", "more": "more 更多"},
    ),
    "rows-that-round": _interval(11, "FLOPs that round to the print 舍入对上的行", "of 5 rows 行"),
}


def question_of(name: str) -> Question:
    """Return a question by its name.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in QUESTIONS:
        raise InvalidInput(f"predict: name={name!r}; allowed: {', '.join(QUESTIONS)}.")
    return QUESTIONS[name]
