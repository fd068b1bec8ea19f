"""Write the cell of an answer: a function of the exercise's name and arguments."""

import inspect
import textwrap

from tinybert_l.exercises.registry import find_exercise


def answer(exercise: str, body: str, before: str = "") -> str:
    """Return the source of a cell that answers an exercise.

    Args:
        exercise: its name; the arguments are those of its stub.
        body: of the function.
        before: what stands before the function.
    """
    arguments = []
    for parameter in inspect.signature(find_exercise(exercise).stub).parameters.values():
        arguments.append(str(parameter.replace(annotation=inspect.Parameter.empty)))
    indented = textwrap.indent(body.strip("\n"), "    ")
    head = f"@{exercise}.implement\ndef {exercise}({', '.join(arguments)}):"
    return f"{before}\n{head}\n{indented}"
