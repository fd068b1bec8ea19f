"""The form for a prediction, made of ipywidgets; importing it fails where they are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import ipywidgets as widgets
from IPython.core.getipython import get_ipython
from IPython.display import display

from tinybert_l.course.prediction_log import Value
from tinybert_l.course.prediction_questions import Question, question_of
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.languages import in_words


@dataclass(frozen=True)
class Storage:
    """What a form needs of the predictions: `course.predictions` hands it over.

    Args:
        stored: what is stored under a name, {} where nothing is.
        choice, interval: check what was entered, and return the value to store.
        store: keep a value under a name.
        describe: say what is stored under a name.
    """

    stored: Callable[[str], Value]
    choice: Callable[[str, str], Value]
    interval: Callable[[str, float, float], Value]
    store: Callable[[str, Value], object]
    describe: Callable[[str], str]


def show_form(name: str, status: str, storage: Storage) -> bool:
    """Show fields, a button and the status of a prediction; False: this is no notebook."""
    if get_ipython() is None:
        return False
    question = question_of(name)
    fields, read = _fields(name, question, storage)
    button = widgets.Button(description=in_words("store 存下"), tooltip=question.words)
    said = widgets.HTML(value=escape(status))

    def on_click(_: object) -> None:
        try:
            storage.store(name, read())
            said.value = escape(storage.describe(name))
        except CourseError as error:
            said.value = escape(str(error))

    button.on_click(on_click)
    form = widgets.VBox([said, widgets.HBox([*fields, button])])
    shown = form._repr_mimebundle_()
    # what a notebook shows that is opened another day, when the form is gone
    hint = in_words("Run this cell to see the form. 运行本单元格即可看到表单。")
    shown["text/plain"] = f"{status}\n{hint}"
    display(shown, raw=True)
    return True


def _fields(
    name: str, question: Question, storage: Storage
) -> tuple[list[widgets.Widget], Callable[[], Value]]:
    """Return the fields, filled with what is stored, and a function that reads them."""
    stored = storage.stored(name)
    if question.kind == "choice":
        options = [("—", ""), *((words, key) for key, words in question.labels.items())]
        keys = [key for _, key in options]
        chosen = stored.get("choice", "") if stored.get("choice", "") in keys else ""
        choice = widgets.Dropdown(
            options=options, value=chosen, description=in_words("choice 选择")
        )
        return [choice], lambda: storage.choice(name, choice.value)
    ends = []
    for end, words in (("low", "from 从"), ("high", "to 到")):
        text = f"{stored[end]:g}" if end in stored else ""
        ends.append(
            widgets.Text(value=text, description=in_words(words), placeholder=question.unit)
        )
    return ends, lambda: storage.interval(name, *(_number(name, end.value) for end in ends))


def _number(name: str, text: str) -> float:
    try:
        return float(text.strip().rstrip("%×").replace(",", "."))
    except ValueError:
        raise InvalidInput(f"predict {name}: {text!r:.60}; allowed: a number. 要写成数。") from None
