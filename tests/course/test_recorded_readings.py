"""What a reading says of "our run" is what the recorded page of that lecture shows.

Live numbers differ between machines: after pages are recorded anew, these readings may have to
follow them.
"""

import html
import re

from lecture_text import assert_stands, text_of

from tinybert_l.exercises.registry import NOTEBOOKS

DISTANCE = re.compile(
    r"(\S+) +start 开始 [\d.]+, end 结束 [\d.]+; without minus with 无减有: ([+-][\d.]+) nats, "
    r"seeds above 0 大于0的种子 (\d) / (\d)"
)


def page(checkout, lecture: int) -> str:
    """The text of a lecture's recorded page; cells of a table end with a bar."""
    name = f"{NOTEBOOKS[lecture]}.html"
    source = (checkout / "results" / "recorded" / name).read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</t[dh]>", "|", source)))
    return re.sub(r"\s+", " ", text)


def row_of(text: str, name: str, count: int) -> list[float | None]:
    """The values of a table's row, None where a cell is empty."""
    cells = re.search(rf"\| {re.escape(name)} *\|((?:[^|]*\|){{{count}}})", text)
    assert cells, name
    values = [cell.strip() for cell in cells[1].split("|")[:-1]]
    return [float(value.replace(",", "")) if value else None for value in values]


def test_the_least_norm_of_the_mean_in_lecture_2(checkout):
    text = page(checkout, 2)
    norms = re.search(r"AdamW, clipped at 1 裁剪到1, 6 steps 步 *\| *([\d.]+) *\|", text)
    assert_stands(2, f"{float(norms[1]):.2f}")


def test_what_self_distillation_adds_in_lecture_3(checkout):
    text = page(checkout, 3)
    found = [(name, float(gap), int(above)) for name, gap, above, _ in DISTANCE.findall(text)]
    assert len(found) == 8
    assert [above for _, _, above in found].count(3) == 5, "five of eight, with all three seeds"
    assert [name for name, _, above in found if above == 0] == ["6×½"]
    assert_stands(3, f"{max(abs(gap) for _, gap, _ in found):.4f}")
    larger = re.search(r"关掉后结束时的距离大多少: .{0,60}measured 实测: ([\d.]+) %", text)
    assert 0 < float(larger[1]) < 1, "less than one per cent"


def test_what_is_read_from_table_8_in_lecture_5(checkout):
    text = page(checkout, 5)
    text = text[text.index("Tasks and sub-models 任务与子模型") :]
    trivial = row_of(text, "trivial 平凡", 6)
    same_text = row_of(text, "counting, same text 计数，同样的文本", 6)
    whole = row_of(text, "tf-idf, whole reviews 整篇标注的词袋", 6)
    sizes = [row_of(text, name, 6) for name in ("6×1", "3×½", "2×¼")]
    f1_above = [f1 - exact for _, _, exact, f1, _, _ in sizes]
    assert max(f1_above[:2]) < 0.5 and 1.5 < f1_above[2] < 2.5, "hardly, and two points"
    assert all(size[4] > same_text[4] for size in sizes), "the trigram's perplexity is lower"
    assert whole[1] > max(size[1] for size in sizes), "whole labelled reviews are above"
    for column, half_width in ((0, 4.5), (1, 6.4)):
        above = [size[column] - same_text[column] for size in sizes]
        assert min(above) > 1 and max(above) < half_width + 1, "at most about a half width"
    exact = [size[2] - trivial[2] for size in sizes]
    assert exact[0] > 3 and max(exact[1:]) < 1, "the largest is above, the others hardly"


def test_what_the_windows_say_in_lecture_5(checkout):
    text = page(checkout, 5)
    signs = re.findall(r"window 窗口 \d: tokens 词元 \d+–\d+, m = ([+-])", text)
    assert "".join(signs) == "+++--", "three say positive, two negative"
    mean = re.search(r"mean 平均: m = ([+-][\d.]+)", text)[1]
    for language in ("zh", "en"):
        assert f"${mean}$" in text_of(5, language)
