"""Draws docs/explanation/architecture.svg from the imports: `python tools/make_architecture.py`."""

from collections import Counter
from pathlib import Path

import grimp
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "architecture.svg"
LIBRARY = "tinybert_l"
STOREYS = ("cli", "grading", "course", "tasks", "method", "exercises", "ground floor")
GROUND_FLOOR = ("submodels", "cache", "errors", "languages")
PURPOSE = {
    "cli": "one subcommand a step",
    "grading": "trusted grading of untrusted code",
    "course": "what the notebooks need",
    "tasks": "what the method is applied to",
    "method": "TinyBERT-L itself",
    "exercises": "specifications that students complete",
    "ground floor": "no torch",
}
COLOURS = ("#4477aa", "#aa3377", "#228833", "#bb7711", "#117799", "#775533", "#555555")
MODULES_A_LINE = 7
LINE_HEIGHT = 0.34
INCHES_A_UNIT = 0.62
BEND = 0.8


def storey_of(module: str) -> str:
    """The storey in which a module of the library lives."""
    package = module.split(".")[1]
    return "ground floor" if package in GROUND_FLOOR else package


def import_graph() -> grimp.ImportGraph:
    """Every import of the library, as import-linter sees it."""
    return grimp.build_graph(LIBRARY, exclude_type_checking_imports=True, cache_dir=None)


def arrows(graph: grimp.ImportGraph) -> Counter[tuple[str, str]]:
    """How many imports lead from one storey to another: {(importer, imported): count}."""
    count: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules - {LIBRARY}:
        for imported in graph.find_modules_directly_imported_by(importer) - {LIBRARY}:
            ends = storey_of(importer), storey_of(imported)
            if ends[0] != ends[1]:
                count[ends] += 1
    return count


def rooms(graph: grimp.ImportGraph) -> dict[str, list[str]]:
    """What stands in each storey: its modules, and the packages within it as `name/`."""
    modules: dict[str, list[str]] = {storey: [] for storey in STOREYS}
    for module in sorted(graph.modules - {LIBRARY}):
        storey = storey_of(module)
        name, *deeper = module.removeprefix(f"{LIBRARY}.").removeprefix(f"{storey}.").split(".")
        if name == storey or name == "__main__" or deeper:
            continue
        modules[storey].append(f"{name}/" if graph.find_children(module) else name)
    return modules


def draw() -> Figure:
    """The storeys from top to bottom, their modules, and an arc for the imports between two."""
    graph = import_graph()
    modules = rooms(graph)
    lines = {storey: -(-len(names) // MODULES_A_LINE) for storey, names in modules.items()}
    heights = {storey: 0.62 + LINE_HEIGHT * count for storey, count in lines.items()}
    total = sum(heights.values()) + 0.25 * len(STOREYS)
    figure = Figure(figsize=(13, INCHES_A_UNIT * total))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 13), ylim=(0, total))
    axes.axis("off")
    middle: dict[str, float] = {}
    top = total - 0.1
    for storey, colour in zip(STOREYS, COLOURS, strict=True):
        draw_storey(axes, storey, modules[storey], (top, heights[storey]), colour)
        middle[storey] = top - heights[storey] / 2
        top -= heights[storey] + 0.25
    draw_arrows(axes, arrows(graph), middle)
    return figure


def draw_storey(
    axes: Axes, storey: str, modules: list[str], place: tuple[float, float], colour: str
) -> None:
    """One band: the package, its purpose, its modules. `place` is (top, height)."""
    top, height = place
    band = FancyBboxPatch(
        (0.2, top - height),
        9.3,
        height,
        boxstyle="round,pad=0.02",
        facecolor=colour + "18",
        edgecolor=colour,
    )
    axes.add_patch(band)
    title = storey if storey == "ground floor" else f"{storey}/"
    axes.text(0.35, top - 0.27, title, fontsize=13, weight="bold", color=colour, va="center")
    axes.text(2.2, top - 0.27, PURPOSE[storey], fontsize=11, color="#333333", va="center")
    for place_in_list, module in enumerate(modules):
        line, column = divmod(place_in_list, MODULES_A_LINE)
        axes.text(
            0.35 + 1.32 * column,
            top - 0.62 - LINE_HEIGHT * line,
            module,
            fontsize=7.6,
            family="monospace",
            va="center",
        )


def draw_arrows(axes: Axes, count: Counter[tuple[str, str]], middle: dict[str, float]) -> None:
    """An arc for each pair of storeys; its number is how many imports it stands for."""
    for (importer, imported), number in sorted(count.items()):
        floors = STOREYS.index(imported) - STOREYS.index(importer)
        colour = COLOURS[STOREYS.index(importer)]
        start = 9.55, middle[importer] - 0.05 * floors
        end = 9.55, middle[imported] + 0.05 * floors
        arc = FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={-BEND if floors > 0 else BEND}",
            arrowstyle="-|>",
            mutation_scale=14,
            color=colour,
            linewidth=0.8 + number / 12,
        )
        axes.add_patch(arc)
        # the vertex of the arc: half the way to its control point, in inches
        reach = 9.55 + 0.5 * BEND * INCHES_A_UNIT * abs(start[1] - end[1])
        height = (start[1] + end[1]) / 2
        label = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        axes.text(reach, height, str(number), fontsize=9, color=colour, va="center", bbox=label)


def write() -> None:
    """Write the picture; the same imports give the same bytes."""
    with rc_context():
        rcdefaults()
        rcParams.update({"svg.hashsalt": LIBRARY, "svg.fonttype": "path"})
        draw().savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    write()
