"""Formulas in feedback are MathML that needs no network; what students write does nothing."""

import time

import pytest

from tinybert_l.grading.formulas import mathml, with_mathml

HOSTILE = (
    r"\href{javascript:alert(1)}{x}",
    r"\text{<script>alert(1)</script>}",
    r"\text{&lt;img src=x onerror=alert(1)&gt;}",
    r"\hbox{<img src=x onerror=alert(1)>}",
    r"\style{position:fixed}{x}",
    r"\class{panel-heading}{x}",
    r"\rule{100000em}{100000em}",
    r"\hspace{99999em}x",
    "{" * 1999,
    r"\sqrt" * 400,
    r"\frac{" * 39 + "}" * 39,
    r"\begin{matrix}" * 100,
    "x" * 100_000,
)


def seconds_from_now(seconds: float = 30) -> float:
    return time.monotonic() + seconds


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:16])
def test_a_hostile_formula_is_text_or_stays_as_typed(source):
    written = mathml(source)
    for active in ("<script", "<img", " href", " style=", " class=", "99999", "100000em"):
        assert active not in written, written[:200]


def test_a_formula_wider_than_a_phone_scrolls_by_keyboard_and_a_short_one_is_no_stop():
    assert 'tabindex="0"' in mathml("+".join("abcdefghijklmnop"))
    assert "tabindex" not in mathml("a+b") and mathml("a+b", True).count("tabindex") == 1


@pytest.mark.parametrize("name", ["align", "align*", "equation", "cases", "pmatrix"])
def test_an_environment_without_dollar_signs_is_a_formula_as_in_jupyter(name):
    page = with_mathml(
        rf"<p>so \begin{{{name}}}a&amp;=b\\c&amp;=d\end{{{name}}} holds</p>", seconds_from_now()
    )
    assert page.count("<math") == 1 and "begin" not in page and page.endswith("holds</p>")
    other = rf"<p>\begin{{verbatim}}x\end{{verbatim}} \begin{{{name}}}x\end{{tabular}}</p>"
    assert with_mathml(other, seconds_from_now()) == other


def test_formulas_are_converted_and_other_text_is_not():
    page = "<p>$a&lt;b$ costs $5 and $6, $5$; \\$x\\$</p><pre>$x$</pre>"
    page += "<a title='$y$'>$$\n\\frac12$$</a>"
    written = with_mathml(page, seconds_from_now())
    assert written.count("<math") == 3
    assert "costs $5 and $6, <math" in written and "<mo>&lt;</mo>" in written
    assert "<pre>$x$</pre>" in written and "title='$y$'" in written and 'tabindex="0"' in written
    assert with_mathml("<p>$q_1$</p>", time.monotonic() - 1) == "<p>$q_1$</p>"
