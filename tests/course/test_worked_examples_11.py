"""Every worked example of lecture 11, and every number that it reads in its tables, recomputed."""

from itertools import combinations
from statistics import mean

import pytest
from lecture_text import assert_stands
from transformers import BertConfig

from tinybert_l import flops, parameter_count

pytestmark = pytest.mark.lecture11
# layers, hidden, FFN, printed parameters (M) and GFLOPs: Jiao et al. 2020, table 1
PRINTED = [
    (12, 768, 3072, "109", "22.5"),
    (6, 768, 3072, "67.0", "11.3"),
    (4, 768, 3072, "52.2", "7.6"),
    (4, 512, 2048, "29.2", "3.4"),
    (4, 312, 1200, "14.5", "1.2"),
]
# Sanh et al. 2019; Wang et al. 2020
OTHERS = [(6, 768, 3072, "66"), (12, 384, 1536, "33"), (6, 384, 1536, "22")]
# GLUE test scores of BERT-base and TinyBERT4: Jiao et al. 2020, table 1
SCORES = {
    "MNLI-m": (83.9, 82.5),
    "MNLI-mm": (83.4, 81.8),
    "QQP": (71.1, 71.3),
    "SST-2": (93.4, 92.6),
    "QNLI": (90.9, 87.7),
    "MRPC": (87.5, 86.4),
    "RTE": (67.0, 66.6),
    "CoLA": (52.8, 44.1),
    "STS-B": (85.2, 80.4),
}


def configuration(layers, hidden, inner):
    return BertConfig(num_hidden_layers=layers, hidden_size=hidden, intermediate_size=inner)


def rounds(value, printed):
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed


def test_multiply_adds_by_hand():
    assert_stands(11, f"3·2·4={3 * 2 * 4}", f"{2 * 3 * 2 * 4}")
    tiny = BertConfig(
        num_hidden_layers=1, hidden_size=2, intermediate_size=4, num_attention_heads=1
    )
    assert flops(tiny, 3) == 264
    assert_stands(11, "2·(96+36)=264")


def test_the_share_of_attention():
    c = BertConfig()
    both = 2 * c.hidden_size + c.intermediate_size
    assert_stands(11, str(both), f"{100 * 128 / both:.1f}", f"{100 * 512 / both:.1f}")
    # the ratio of the two terms, counted: twice the length doubles the share
    terms = {s: flops(c, s) - s * flops(c, 1) for s in (128, 512)}
    assert terms[512] / terms[128] == pytest.approx(16, rel=0.03)


def test_bert_base_by_hand():
    layer = 4 * 768**2 + 2 * 768 * 3072
    matrices, attention = 2 * 12 * 128 * layer, 2 * 12 * 2 * 128**2 * 768
    assert matrices + attention == flops(BertConfig(), 128)
    assert_stands(11, str(layer), f"{matrices / 1e9:.3f}", f"{attention / 1e9:.3f}", "22.347")


def test_which_printed_numbers_are_the_rounded_ones():
    rows = [(configuration(*row[:3]), row[3]) for row in (*PRINTED, *OTHERS)]
    with_pooler = [rounds(parameter_count(c) / 1e6, printed) for c, printed in rows]
    without = [rounds(parameter_count(c, pooler=False) / 1e6, printed) for c, printed in rows]
    counted = [rounds(flops(configuration(*row[:3]), 128) / 1e9, row[4]) for row in PRINTED]
    assert (sum(with_pooler), sum(without), len(rows)) == (3, 4, 8)  # the text: three, four, eight
    neither = [rows[i][1] for i in range(8) if not with_pooler[i] and not without[i]]
    assert neither == ["29.2", "14.5", "22"]
    assert [row[4] for row, fits in zip(PRINTED, counted, strict=True) if fits] == ["3.4", "1.2"]
    gaps = []
    for c, size in rows:
        gaps.append(
            min(abs(parameter_count(c, pooler=p) / 1e6 / float(size) - 1) for p in (True, False))
        )
    assert_stands(11, f"{100 * max(gaps):.1f} %")
    for layers, hidden, inner, _, operations in PRINTED:
        c = configuration(layers, hidden, inner)
        assert abs(flops(c, 128) / 1e9 / float(operations) - 1) <= 0.04


def test_what_may_be_in_14_5_million():
    tiny = configuration(4, 312, 1200)
    encoder_only = parameter_count(tiny, pooler=False)
    projection = 312 * 768 + 768
    head = 312**2 + 312 + 2 * 312 + tiny.vocab_size
    candidates = (parameter_count(tiny) - encoder_only, projection, head)
    sums = [encoder_only + sum(chosen) for n in range(4) for chosen in combinations(candidates, n)]
    assert len(sums) == 8  # the text: eight combinations, two of which fit
    fitting = [count for count in sums if rounds(count / 1e6, "14.5")]
    assert fitting == [encoder_only + projection, parameter_count(tiny) + head]
    assert_stands(11, str(projection), *(f"{count / 1e6:.3f}" for count in fitting))
    assert_stands(11, f"{parameter_count(tiny) / 1e6:.2f}", f"{encoder_only / 1e6:.2f}")


def test_the_gap_is_constant_and_its_explanation_fails_in_one_row():
    lows, highs = [], []
    for layers, hidden, inner, _, printed in PRINTED[:3]:
        counted = flops(configuration(layers, hidden, inner), 128) / 1e9
        lows.append(float(printed) - 0.05 - counted)
        highs.append(float(printed) + 0.05 - counted)
        assert_stands(11, f"{counted:.3f}", f"{lows[-1]:.3f}–{highs[-1]:.3f}")
    assert max(lows) < min(highs), "one constant fits all three rows"
    assert_stands(11, f"{max(lows):.3f}", f"{min(highs):.3f}")
    # a gap in proportion to the layers does not: 12 layers would be three times 4
    assert 3 * lows[2] > highs[0]
    assert_stands(11, f"{3 * lows[2]:.3f}", f"{highs[0]:.3f}")
    product = 2 * 128 * 768**2 / 1e9
    assert max(lows) < product < min(highs)
    assert_stands(11, f"2·128·768^2={product:.3f}")
    fits = []
    for layers, hidden, inner, _, printed in PRINTED:
        counted = flops(configuration(layers, hidden, inner), 128) / 1e9
        extra = 2 * 128 * hidden**2 / 1e9
        fits.append(rounds(counted + extra, printed))
        if hidden != 768:
            assert abs(round(counted, 4) + round(extra, 4) - counted - extra) < 6e-5
            assert_stands(
                11, f"{counted:.4f}+{extra:.4f}={round(counted, 4) + round(extra, 4):.4f}"
            )
    assert fits == [True, True, True, True, False]
    small = flops(configuration(4, 512, 2048), 128) / 1e9
    assert rounds(small, "3.4"), "this row fits without the product too, and tests nothing"
    largest = flops(configuration(12, 768, 3072), 128) / 1e9 + product
    assert int(10 * largest) / 10 == 22.4, "cutting digits fails where rounding fits"
    assert_stands(11, f"{largest:.3f}", "22.4")


def test_the_ways_to_average_glue():
    teacher, student = (mean(pair[i] for pair in SCORES.values()) for i in (0, 1))
    assert (round(teacher, 1), round(student, 1)) == (79.5, 77.0)  # as the paper prints
    assert_stands(11, f"{teacher:.2f}", f"{student:.2f}", f"{100 * student / teacher:.2f}")
    eight = []
    for i in (0, 1):
        entailment = mean(SCORES[name][i] for name in ("MNLI-m", "MNLI-mm"))
        others = [pair[i] for name, pair in SCORES.items() if not name.startswith("MNLI")]
        eight.append(mean([entailment, *others]))
    ratios = mean(100 * pair[1] / pair[0] for pair in SCORES.values())
    assert_stands(11, f"{100 * eight[1] / eight[0]:.2f}", f"{ratios:.2f}")
    assert 100 * student / teacher > 96.8 > 100 * eight[1] / eight[0] > ratios
    kept = {name: 100 * pair[1] / pair[0] for name, pair in SCORES.items()}
    assert max(kept, key=kept.get) == "QQP" and min(kept, key=kept.get) == "CoLA"
    assert_stands(11, f"{kept['QQP']:.1f}", f"{kept['CoLA']:.1f}")
    assert SCORES["RTE"][0] - SCORES["RTE"][1] == pytest.approx(0.4)


def test_smaller_and_faster_taken_apart():
    base, tiny = configuration(12, 768, 3072), configuration(4, 312, 1200)

    def layers_only(c):
        return parameter_count(c) - (c.vocab_size + 514) * c.hidden_size

    assert_stands(11, f"{flops(base, 128) / flops(tiny, 128):.1f}")
    assert_stands(11, f"{parameter_count(base) / parameter_count(tiny):.1f}")
    assert_stands(11, f"{layers_only(base) / layers_only(tiny):.1f}")
    assert rounds(109 / 14.5, "7.5") and not rounds(22.5 / 1.2, "9.4")
