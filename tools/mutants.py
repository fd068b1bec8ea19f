"""Mutants of a function: its code with one small change, each by a standard operator.

A test that lets a mutant pass has a gap there, unless the mutant computes the same. The operators
are those of mutmut, cosmic-ray and PIT that a function of ten lines has a place for: another
comparison, another arithmetic operator, a constant one larger or smaller, a condition negated,
`None` returned, a statement, a call, an argument or a slice's bound left out. Texts of errors are
left alone.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Change = tuple[str, ast.AST]  # what is changed, in words; the new node
SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div, ast.Mult),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
OTHER_FUNCTION = {"min": "max", "max": "min", "all": "any", "any": "all"}
CONVERSIONS = {"list", "tuple", "set", "sorted", "float", "int"}
MODULES = {"torch", "math", "dict"}


@dataclass(frozen=True)
class Mutant:
    """A changed function.

    Args:
        name: line and column in the function, and the change: "2:11 <= becomes <".
        operator: the kind of change: "comparison".
        source: the changed function's code.
    """

    name: str
    operator: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """List the mutants of a function by their places; two with the same code count once.

    >>> [mutant.name for mutant in mutants("def f(a):\\n    return a < 0")]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['2:4 None is returned', '2:11 < becomes <=', '2:11 < becomes >=',
     '2:15 0 becomes 1', '2:15 0 becomes -1']
    """
    tree = ast.parse(source)
    found: dict[str, Mutant] = {ast.unparse(tree): Mutant("", "", "")}
    for parent, field, place, node in _places(tree):
        for operator, change in _changes(node, parent):
            words, new = change
            _put(parent, field, place, new)
            changed = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
            _put(parent, field, place, node)
            name = f"{_position(node)} {words}"
            found.setdefault(changed.strip(), Mutant(name, operator, changed))
    in_order = list(found.values())[1:]
    return sorted(in_order, key=lambda mutant: [int(n) for n in mutant.name.split()[0].split(":")])


def _position(node: ast.AST) -> str:
    """Line and column of a node; of an operator those of the end of what stands before it."""
    if isinstance(node, ast.BinOp):
        return f"{node.left.end_lineno}:{(node.left.end_col_offset or 0) + 1}"
    if isinstance(node, ast.comprehension | ast.Slice):  # have no place of their own
        node = node.target if isinstance(node, ast.comprehension) else _first_bound(node)
    return f"{getattr(node, 'lineno', 0)}:{getattr(node, 'col_offset', 0)}"


def _first_bound(node: ast.Slice) -> ast.AST:
    return next((bound for bound in (node.lower, node.upper, node.step) if bound), node)


def _put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def _places(parent: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Each node below one, with where it hangs; what is raised is a text, and left out."""
    if isinstance(parent, ast.Raise):
        return
    for field, value in ast.iter_fields(parent):
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for place, child in children:
            if isinstance(child, ast.AST):
                yield parent, field, place, child
                yield from _places(child)


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, Change]]:
    """Every (operator, change) for one node."""
    for operator, rule in RULES.items():
        for change in rule(node, parent):
            yield operator, change


def _with(node: Any, **fields: Any) -> Any:
    """A copy of a node with other fields."""
    changed = copy.copy(node)
    for field, value in fields.items():
        setattr(changed, field, value)
    return changed


def _symbol(operator: ast.AST) -> str:
    """An operator as it is written."""
    one = ast.Name("x")
    if isinstance(operator, ast.cmpop):
        return ast.unparse(ast.Compare(one, [operator], [one]))[2:-2]
    if isinstance(operator, ast.boolop):
        return ast.unparse(ast.BoolOp(operator, [one, one]))[2:-2]
    assert isinstance(operator, ast.operator)
    return ast.unparse(ast.BinOp(one, operator, one))[1:-1].strip()


def _comparisons(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for i, old in enumerate(node.ops):
            for other in SWAPS.get(type(old), ()):
                new = other()
                ops = [*node.ops[:i], new, *node.ops[i + 1 :]]
                nth = f" ({i + 1})" if len(node.ops) > 1 else ""
                yield f"{_symbol(old)}{nth} becomes {_symbol(new)}", _with(node, ops=ops)


def _operators(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for other in SWAPS.get(type(node.op), ()):
            new = other()
            yield f"{_symbol(node.op)} becomes {_symbol(new)}", _with(node, op=new)


def _signs(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.UnaryOp):
        yield "a sign or negation is left out", node.operand


def _constants(node: ast.AST, parent: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Constant) or isinstance(parent, ast.Expr | ast.JoinedStr):
        return
    if isinstance(node.value, bool):
        yield f"{node.value} becomes {not node.value}", ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        for other in (node.value + 1, node.value - 1):
            yield f"{node.value} becomes {other}", ast.Constant(other)
    elif isinstance(node.value, str):
        yield f"'{node.value}' becomes another text", ast.Constant(node.value + "?")


def _conditions(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "the condition is negated", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension):
        for i, test in enumerate(node.ifs):
            others = [*node.ifs[:i], *node.ifs[i + 1 :]]
            negated = [*others, ast.UnaryOp(ast.Not(), test)]
            yield f"its condition {i + 1} is negated", _with(node, ifs=negated)
            yield f"its condition {i + 1} is left out", _with(node, ifs=others)


def _returns(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield "None is returned", _with(node, value=ast.Constant(None))


def _errors(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        other = _with(node.exc, func=ast.Name("RuntimeError"))
        yield "another kind of error", _with(node, exc=other)


def _statements(node: ast.AST, parent: ast.AST) -> Iterator[Change]:
    """Only what the rest can do without: a name that is bound nowhere else would be an error."""
    alone = isinstance(parent, ast.If) and not parent.orelse  # left out with its `if`
    needless = isinstance(node, ast.Expr | ast.Break | ast.Continue | ast.AugAssign)
    into = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    if isinstance(node, ast.If) and not node.orelse:
        yield "the whole `if` is left out", ast.Pass()
    elif needless or into or (isinstance(node, ast.Raise) and not alone):
        yield "the statement is left out", ast.Pass()
    if isinstance(node, ast.For):
        yield "the loop makes no turn", _with(node, iter=ast.Tuple([], ast.Load()))


def _calls(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call):
        return
    function = ast.unparse(node.func)
    if function in OTHER_FUNCTION:
        yield (
            f"{function} becomes {OTHER_FUNCTION[function]}",
            _with(node, func=ast.Name(OTHER_FUNCTION[function])),
        )
    module = function.partition(".")[0] in MODULES
    words = f"the call of {function.rpartition('.')[2]} is left out"
    first = node.args[0] if node.args else None
    takes_value = first is not None and not isinstance(first, ast.Starred | ast.GeneratorExp)
    if isinstance(node.func, ast.Attribute) and not module:
        yield words, node.func.value
    elif (module or function in CONVERSIONS) and takes_value:
        yield words, node.args[0]
    for keyword in node.keywords:
        others = [other for other in node.keywords if other is not keyword]
        yield f"the argument {keyword.arg} is left out", _with(node, keywords=others)


def _slices(node: ast.AST, _: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Slice):
        for bound in ("lower", "upper", "step"):
            if getattr(node, bound) is not None:
                yield f"the slice's {bound} bound is left out", _with(node, **{bound: None})


RULES: dict[str, Callable[[ast.AST, ast.AST], Iterator[Change]]] = {
    "comparison": _comparisons,
    "arithmetic or logic": _operators,
    "sign or negation": _signs,
    "constant": _constants,
    "condition": _conditions,
    "returned value": _returns,
    "kind of error": _errors,
    "statement left out": _statements,
    "call or argument": _calls,
    "slice": _slices,
}
