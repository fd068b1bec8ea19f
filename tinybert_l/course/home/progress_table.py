"""The table of lectures, exercises, effort and states, as HTML."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment

from tinybert_l.course.home.folder import due_date, language_of, notebooks_in
from tinybert_l.course.home.notebook_rows import rows_by_lecture
from tinybert_l.course.home.states import STATES, Row
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.languages import in_words

if TYPE_CHECKING:
    from IPython.display import HTML


def show(folder: Path | str = ".") -> "HTML":
    """Return the course home's table, for display in a notebook."""
    from IPython.display import HTML

    return HTML(table(Path(folder)))


@dataclass(frozen=True)
class _Group:
    """The rows of one lecture.

    Args:
        link: path of its notebook; "" where it is not handed out.
        due: when it is due; "" where that is not known.
    """

    title: str
    link: str
    due: str
    rows: list[Row]


def table(folder: Path, judge_new: bool = True) -> str:
    """Return the table of lectures, exercises, effort and states, as HTML.

    Args:
        folder: the student's folder.
        judge_new: as in `rows_of`.
    """
    notebooks = notebooks_in(folder)
    rows = rows_by_lecture(notebooks, judge_new)
    groups = []
    for lecture, title in NOTEBOOKS.items():
        if lecture in notebooks:
            link = notebooks[lecture].relative_to(folder).as_posix()
            due = due_date(notebooks[lecture])
            groups.append(_Group(title, link, due, rows[lecture]))
        else:
            groups.append(_Group(title, "", "", []))
    all_rows = [row for part in rows.values() for row in part]
    judged = [row for row in all_rows if not row.item.by_hand and not row.item.is_quiz]
    lang = language_of(notebooks.values())
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["words"] = lambda text: in_words(text, lang)
    return environment.from_string(_TABLE).render(
        lang=lang,
        groups=groups,
        num_passed=sum(row.state == "passes" for row in judged),
        num_exercises=len(judged),
        absent=STATES["absent"],
    )


# The styles stand in the cells themselves: JupyterLab removes style sheets from outputs.
_TABLE = """\
{% set left = 'style="text-align:left"'|safe %}
<table {{ left }}><caption {{ left }}>\
{% if lang == "zh" %}{{ num_exercises }}道题中{{ num_passed }}道通过可见测试{% else %}\
{{ num_passed }} of {{ num_exercises }} \
{{ "exercises pass their visible tests 练习通过可见测试"|words }}{% endif %}</caption>
<thead><tr>
<th scope="col" {{ left }}>{{ "lecture 讲"|words }}</th>
<th scope="col" {{ left }}>{{ "exercise 练习"|words }}</th>
<th scope="col" {{ left }}>{{ "minutes 分钟"|words }}</th>
<th scope="col" {{ left }}>{{ "points 分"|words }}</th>
<th scope="col" {{ left }}>{{ "your answer 你的解答"|words }}</th>
</tr></thead>
<tbody>
{% for group in groups %}
{% for row in group.rows %}
<tr>
{% if loop.first %}
<th scope="rowgroup" {{ left }} rowspan="{{ group.rows|length }}">
<a href="{{ group.link }}">{{ group.title }}</a>
{% if group.due %}<br><small>{{ "due 截止"|words }} {{ group.due }}</small>{% endif %}
</th>
{% endif %}
<td {{ left }}>{% if lang != "en" %}{{ row.item.title_zh }}<br>{% endif %}\
{% if lang != "zh" %}{{ row.item.title_en }}<br>{% endif %}\
<small><code>{{ row.item.name }}</code></small></td>
<td {{ left }}>{{ row.item.minutes or "" }}</td>
<td {{ left }}>{{ "%g"|format(row.item.points) }}</td>
<td {{ left }}>{{ row.outcome|words }}\
{% if row.message %}<br><small>{{ row.short_message|words }}</small>{% endif %}
</td>
</tr>
{% else %}
<tr>
<th scope="rowgroup" {{ left }}>{{ group.title }}</th>
<td colspan="4" {{ left }}>{{ absent|words }}</td>
</tr>
{% endfor %}
{% endfor %}
</tbody></table>
"""
