"""The report of a class on one page: who earned what, where points were lost, which items look wrong."""

from collections import Counter
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from jinja2 import Environment

ENOUGH = 10  # students, before anything is said of an item
GOOD_SHARE, GOOD_PASS = 0.7, 0.6


@dataclass(frozen=True)
class Item:
    """One test cell in numbers.

    Args:
        passed: share of its points that the class earned.
        good_passed: the same, of the third of the class that did best on all other items.
        discrimination: correlation of this item with the rest of the score; None where one of them does not vary.
        doubt: why the item's test may be wrong; empty when nothing speaks for it.
    """

    cell: str
    exercise: str
    passed: float
    good_passed: float
    discrimination: float | None
    doubt: str


def items(grades: list[Any]) -> list[Item]:
    """Item analysis of a class.

    Args:
        grades: `CellGrade`s.
    """
    cells = list(dict.fromkeys(g.cell for g in grades))
    students = sorted({g.student for g in grades})
    share = np.zeros((len(students), len(cells)))
    worth = {g.cell: g.max_points for g in grades}
    home = {g.cell: g.exercise for g in grades}
    row, column = {s: i for i, s in enumerate(students)}, {c: i for i, c in enumerate(cells)}
    for g in grades:
        share[row[g.student], column[g.cell]] = g.points / g.max_points if g.max_points else 0.0
    points = np.array([worth[c] for c in cells])
    found = []
    for c, own in zip(cells, share.T, strict=True):
        others = [i for i, other in enumerate(cells) if home[other] != home[c]] or [
            i for i, o in enumerate(cells) if o != c
        ]
        rest = share[:, others] @ points[others] / points[others].sum() if others else own
        good = rest >= np.quantile(rest, 2 / 3)
        varies = own.std() > 0 and rest.std() > 0
        discrimination = float(np.corrcoef(own, rest)[0, 1]) if varies else None
        passed_by_good = float(own[good].mean())
        doubt = ""
        if len(students) >= ENOUGH:
            if rest[good].mean() >= GOOD_SHARE and passed_by_good < GOOD_PASS:
                doubt = "good students fail it: is the test right? 好学生也未通过：测试是否有误？"
            elif discrimination is not None and discrimination < 0 and own.mean() < 1:
                doubt = "weaker students pass it more often 得分与能力相反"
        found.append(Item(c, home[c], float(own.mean()), passed_by_good, discrimination, doubt))
    return found


def page(name: str, grades: list[Any], errors: dict[str, str], font: str = "") -> str:
    """HTML of a class's report.

    Args:
        grades: `CellGrade`s.
        errors: {student: why they could not be graded}.
        font: address of a font for Chinese, for machines that have none.
    """
    students = sorted({g.student for g in grades})
    exercises = list(dict.fromkeys(g.exercise for g in grades))
    worth = {
        e: sum(g.max_points for g in grades if g.exercise == e and g.student == students[0])
        for e in exercises
    }
    earned: dict[tuple[str, str], float] = {(s, e): 0.0 for s in students for e in exercises}
    reasons: dict[tuple[str, str], str] = {}
    failed: Counter[tuple[str, str]] = Counter()
    for g in grades:
        earned[g.student, g.exercise] += g.points
        if g.reason:
            reason = g.reason.partition(": it is an exercise of")[
                0
            ]  # "has no answer yet" says enough here
            reasons.setdefault((g.student, g.exercise), reason)
            failed[g.exercise, reason] += 1
    totals = {s: sum(earned[s, e] for e in exercises) for s in students}
    best = sum(worth.values()) or 1.0
    bars = []
    for exercise in exercises:
        shares = [earned[s, exercise] / worth[exercise] for s in students]
        none, full = sum(x == 0 for x in shares), sum(x >= 1 for x in shares)
        counts = {"full": full, "part": len(shares) - full - none, "none": none}
        bars.append(
            {"exercise": exercise, "worth": worth[exercise], "mean": mean(shares), "counts": counts}
        )
    spread, _ = np.histogram([totals[s] / best for s in students], bins=10, range=(0, 1))
    template = Environment(autoescape=True).from_string(_PAGE)
    return template.render(
        name=name, font=font, students=students, exercises=exercises, worth=worth, earned=earned, reasons=reasons, totals=totals,
        best=best, bars=bars, spread=[int(n) for n in spread], failed=failed.most_common(12), items=items(grades) if students else [],
        errors=errors, mean=mean(totals.values()) if students else 0.0,
    )  # fmt: skip


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}: report of the class</title>
<style>
@font-face { font-family: "TinyBERTL Sans SC"; src: url("{{ font }}"); unicode-range: U+2E80-9FFF, U+FF00-FFEF }
body { font: 16px/1.5 "TinyBERTL Sans SC", system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: .92rem } th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } thead th { border-bottom: 2px solid #555 }
.bar { display: flex; height: 1.15rem; width: 22rem; background: #eee } .bar span { display: block; height: 100% }
.full { background: #0072b2 } .part { background: #e69f00 } .none { background: #555 }
.key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem }
.spread { display: flex; align-items: flex-end; gap: 4px; height: 9rem } .spread div { width: 3.2rem; text-align: center; font-size: .8rem }
.spread i { display: block; background: #0072b2 } .doubt, .error { color: #a40000; font-weight: 600 }
.scroll { overflow-x: auto } small { color: #555 }
</style>
</head>
<body>
<main>
<h1>{{ name }}: report of the class 班级报告</h1>
<p>{{ students|length }} graded 已评分{% if errors %}, <span class="error">{{ errors|length }} not graded 未评分</span>{% endif %};
mean of automatic points 自动评分均值 {{ "%.1f"|format(mean) }} of {{ "%g"|format(best) }}. Manual questions are not in this page 不含手动评分题.</p>
{% if errors %}
<h2>Not graded 未评分</h2>
<table><thead><tr><th scope="col">student 学生</th><th scope="col">why 原因</th></tr></thead><tbody>
{% for student, reason in errors.items() %}<tr><td>{{ student }}</td><td>{{ reason }}</td></tr>{% endfor %}
</tbody></table>
{% endif %}
{% if students %}
<h2>Totals 总分分布</h2>
<div class="spread" role="img" aria-label="Number of students by tenth of the points: {{ spread|join(', ') }}">
{% for n in spread %}<div>{{ n }}<i style="height:{{ (100 * n / ([spread|max, 1]|max))|round(1) }}px"></i>{{ loop.index0 * 10 }}–{{ loop.index * 10 }} %</div>{% endfor %}
</div>
<h2>Exercises 各题</h2>
<p class="key"><span class="full"></span>full marks 满分<span class="part"></span>part 部分<span class="none"></span>none 零分</p>
<table><thead><tr><th scope="col">exercise 练习</th><th scope="col" class="n">points 分值</th><th scope="col" class="n">mean 均值</th><th scope="col">students 学生</th></tr></thead><tbody>
{% for b in bars %}<tr><td>{{ b.exercise }}</td><td class="n">{{ "%g"|format(b.worth) }}</td><td class="n">{{ "%.0f"|format(100 * b.mean) }} %</td>
<td><div class="bar" role="img" aria-label="full {{ b.counts.full }}, part {{ b.counts.part }}, none {{ b.counts.none }}">{% for kind, n in b.counts.items() %}<span class="{{ kind }}" style="width:{{ (100 * n / students|length)|round(2) }}%" title="{{ kind }}: {{ n }}"></span>{% endfor %}</div></td></tr>{% endfor %}
</tbody></table>
<h2>Items 测试项分析</h2>
<p><small>Passed: share of the item's points. Good third: the same, of those who did best on all other exercises. Discrimination: correlation with the rest of the score.</small></p>
<table><thead><tr><th scope="col">test cell 测试</th><th scope="col" class="n">passed 通过率</th><th scope="col" class="n">good third 前三分之一</th><th scope="col" class="n">discrimination 区分度</th><th scope="col">doubt 疑问</th></tr></thead><tbody>
{% for i in items %}<tr><td>{{ i.cell }}</td><td class="n">{{ "%.0f"|format(100 * i.passed) }} %</td><td class="n">{{ "%.0f"|format(100 * i.good_passed) }} %</td><td class="n">{% if i.discrimination is none %}–{% else %}{{ "%.2f"|format(i.discrimination) }}{% endif %}</td><td class="doubt">{{ i.doubt }}</td></tr>{% endfor %}
</tbody></table>
<h2>Most frequent failed checks 最常见的未通过检查</h2>
<table><thead><tr><th scope="col" class="n">times 次数</th><th scope="col">exercise 练习</th><th scope="col">message 信息</th></tr></thead><tbody>
{% for (exercise, reason), n in failed %}<tr><td class="n">{{ n }}</td><td>{{ exercise }}</td><td>{{ reason }}</td></tr>{% endfor %}
</tbody></table>
<h2>Grades 成绩</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Table of grades"><table><thead><tr><th scope="col">student 学生</th>{% for e in exercises %}<th scope="col" class="n">{{ e }}<br><small>/ {{ "%g"|format(worth[e]) }}</small></th>{% endfor %}<th scope="col" class="n">total 合计</th><th scope="col">first reason 首个原因</th></tr></thead><tbody>
{% for s in students %}<tr><td>{{ s }}</td>{% for e in exercises %}<td class="n"{% if (s, e) in reasons %} title="{{ reasons[(s, e)] }}"{% endif %}>{{ "%g"|format(earned[(s, e)]) }}</td>{% endfor %}<td class="n">{{ "%g"|format(totals[s]) }}</td><td>{% for e in exercises if (s, e) in reasons %}{% if loop.first %}{{ e }}: {{ reasons[(s, e)][:120] }}{% endif %}{% endfor %}</td></tr>
{% endfor %}</tbody></table></div>
{% endif %}
</main>
</body>
</html>
"""
