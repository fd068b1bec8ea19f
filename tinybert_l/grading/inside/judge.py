"""Run locked set-up and test cells; a proxy for each answer asks the student's process.

No line of a submission runs here. Only plain data crosses (see `values`), with gradients and the
changes that an answer made to its arguments.
"""

import builtins
import io
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import singledispatch
from typing import Any

import torch
from transformers import BertConfig

from tinybert_l.exercises.registry import MissingAnswer, exercises, find_exercise
from tinybert_l.grading.inside.names import TEST_FILE, names_in
from tinybert_l.grading.inside.namespaces import limit_memory, reseed
from tinybert_l.grading.inside.side import OUTPUT_LIMIT, Side, error_text
from tinybert_l.grading.inside.values import Decoder, Encoder
from tinybert_l.grading.inside.wire import Header, StudentProcessError, receive, send

AGAIN_SECONDS = 0.5  # an answer that took no longer is asked twice
MEMORY_MEGABYTES = 2048


class JudgeSide(Side):
    """The process in which the tests of one submission run."""

    def prepare(self) -> None:
        if self.isolate:
            limit_memory(MEMORY_MEGABYTES)  # a student's value may be of any size
        reseed(tempfile.gettempdir())
        self.namespace: dict[str, Any] = {"__name__": "__main__"}

    def handle(self, header: Header, buffers: list[bytes]) -> None:
        """Run a cell; reply with what it printed, and its error or None.

        After a set-up cell, proxies take the place of the student's answers.
        """
        source = header["source"]
        is_setup = bool(header.get("setup"))
        output = io.StringIO()
        failure = None
        try:
            if not is_setup:
                self._fetch_variables(source)
            with redirect_stdout(output), redirect_stderr(output):
                exec(compile(source, TEST_FILE, "exec"), self.namespace)
        except BaseException as error:
            name = type(error).__name__
            if isinstance(error, StudentProcessError):
                name = error.error_name
            failure = {"ename": name, "evalue": error_text(error), "traceback": []}
        if is_setup:
            self._install_proxies()
        text = output.getvalue()[:OUTPUT_LIMIT]
        send(self.connection, {"done": True, "output": text, "error": failure})

    def ask(self, header: Header, buffers: list[bytes] | None = None) -> tuple[Header, list[bytes]]:
        """Ask the student's process; the question goes through the grader, which limits the time.

        Raises:
            StudentProcessError: the student's process hung or died.
        """
        send(self.connection, header, buffers)
        reply, reply_buffers = receive(self.connection)
        if "failure" in reply:
            raise StudentProcessError(*reply["failure"])
        return reply, reply_buffers

    def _fetch_variables(self, source: str) -> None:
        """Copy the submission's variables that a test reads and no earlier cell defined here."""
        for name in sorted(free_names(source) - self.namespace.keys()):
            reply, buffers = self.ask({"op": "value", "name": name})
            if reply.get("defined"):
                self.namespace[name] = Decoder(buffers).decode(reply["result"])

    def _install_proxies(self) -> None:
        for name, exercise in exercises().items():
            if exercise.lecture == self.lecture:
                exercise.replace_answer(Proxy(self, name))


def free_names(source: str) -> set[str]:
    """Return the global names that a cell reads and does not define, built-ins aside."""
    defined, read = names_in(source)
    return read - defined - set(dir(builtins))


class Proxy:
    """Stands for a student's function: same call, values, gradients and changes of arguments.

    Args:
        side: asks the student's process.
        name: of the exercise.
    """

    def __init__(self, side: JudgeSide, name: str) -> None:
        self.side = side
        self.name = name
        self.asked_at = 0.0  # on the monotonic clock

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        encoder = Encoder()
        header = {
            "op": "call",
            "name": self.name,
            "args": encoder.encode(args),
            "kwargs": encoder.encode(kwargs),
        }
        self.asked_at = time.monotonic()
        reply, buffers = self.side.ask(header, encoder.buffers)
        if reply.get("missing"):
            raise MissingAnswer(find_exercise(self.name))
        if "error" in reply:
            raise rebuilt_error(reply["error"], reply["message"], reply["bases"])
        self._check_again(header, encoder.buffers, reply, buffers)
        decoder = Decoder(buffers)
        result = decoder.decode(reply["result"])
        outputs = list(decoder.tensors)
        if "changed" in reply:
            changed_args, changed_kwargs = reply["changed"]
            updated(args, decoder.decode(changed_args))
            updated(kwargs, decoder.decode(changed_kwargs))
        return self._linked(result, outputs, encoder.tensors, reply["graph"])

    def _check_again(
        self, header: Header, buffers: list[bytes], reply: Header, reply_buffers: list[bytes]
    ) -> None:
        """Ask once more, and refuse an answer that depends on what it was asked before.

        An answer that took long is asked only once: a test's time is limited.

        Args:
            header: of the question, with its buffers.
            reply: the first reply, with its buffers.
        """
        if time.monotonic() - self.asked_at > AGAIN_SECONDS:
            return
        again, again_buffers = self.side.ask(header, buffers)
        if again.get("result") != reply["result"] or again_buffers != reply_buffers:
            raise AssertionError(
                f"{self.name}: the same arguments gave another result when it was called again; "
                "does it keep something from one call to the next? "
                "同样的参数再次调用得到不同结果，函数是否保留了上次调用的状态？"
            )

    def _linked(
        self, result: Any, outputs: list[torch.Tensor], arguments: list[torch.Tensor], graph: int
    ) -> Any:
        """Return the result with its tensors joined to the arguments' graph, where there is one."""
        inputs = [tensor for tensor in arguments if tensor.requires_grad]
        needs_gradient = [output.requires_grad for output in outputs]
        if not inputs or not any(needs_gradient):
            return result
        values = [output.detach() for output in outputs]
        joined = _Link.apply(self, graph, needs_gradient, len(outputs), *values, *inputs)
        replacements = dict(zip(map(id, outputs), joined, strict=True))
        return with_tensors_replaced(result, replacements)


class _Link(torch.autograd.Function):
    """Joins the judge's graph to the student's.

    Backward asks the student's process for a vector-Jacobian product of call number `graph`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        proxy: Proxy,
        graph: int,
        needs_gradient: list[bool],
        count: int,
        *tensors: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return copies of the first `count` tensors, the outputs; the others are the inputs."""
        ctx.proxy = proxy
        ctx.graph = graph
        ctx.count = count
        outputs = []
        constants = []
        for tensor, needed in zip(tensors[:count], needs_gradient, strict=True):
            output = tensor.clone()
            outputs.append(output)
            if not needed:
                constants.append(output)
        ctx.mark_non_differentiable(*constants)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        encoder = Encoder()
        header = {
            "op": "gradient",
            "name": ctx.proxy.name,
            "graph": ctx.graph,
            "given": encoder.encode(list(given)),
        }
        reply, buffers = ctx.proxy.side.ask(header, encoder.buffers)
        if "error" in reply:
            raise rebuilt_error(reply["error"], reply["message"], reply["bases"])
        gradients = Decoder(buffers).decode(reply["result"])
        before_inputs = [None] * (4 + ctx.count)  # the other arguments of `forward`
        return (*before_inputs, *gradients)


def with_tensors_replaced(value: Any, replacements: dict[int, torch.Tensor]) -> Any:
    """Return a value with other tensors in it.

    Args:
        replacements: the new tensor by the `id` of the old one.
    """
    if isinstance(value, torch.Tensor):
        return replacements.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)(with_tensors_replaced(item, replacements) for item in value)
    if isinstance(value, dict):
        return {key: with_tensors_replaced(item, replacements) for key, item in value.items()}
    return value


@singledispatch
def updated(mine: Any, theirs: Any) -> Any:
    """Return what an argument is after a call; an object that can be changed is changed in place.

    Args:
        mine: the argument in the judge's process, before the call.
        theirs: its copy in the student's process, after the call.
    """
    return theirs


@updated.register
def _(mine: torch.Tensor, theirs: Any) -> Any:
    if not isinstance(theirs, torch.Tensor):
        return theirs
    if mine.shape == theirs.shape:
        mine.data.copy_(theirs.data)
    else:
        mine.data = theirs.data
    return mine


@updated.register
def _(mine: torch.Generator, theirs: Any) -> Any:
    if not isinstance(theirs, torch.Generator):
        return theirs
    mine.set_state(theirs.get_state())
    return mine


@updated.register
def _(mine: list, theirs: Any) -> Any:
    if not isinstance(theirs, list):
        return theirs
    if len(mine) == len(theirs):
        theirs = list(map(updated, mine, theirs))
    mine[:] = theirs
    return mine


@updated.register
def _(mine: tuple, theirs: Any) -> Any:
    if not isinstance(theirs, tuple) or len(mine) != len(theirs):
        return theirs
    return tuple(map(updated, mine, theirs))


@updated.register
def _(mine: dict, theirs: Any) -> Any:
    if not isinstance(theirs, dict):
        return theirs
    items = {}
    for key, value in theirs.items():
        items[key] = updated(mine[key], value) if key in mine else value
    mine.clear()
    mine.update(items)
    return mine


@updated.register
def _(mine: BertConfig, theirs: Any) -> Any:
    if not isinstance(theirs, BertConfig):
        return theirs
    vars(mine).update(vars(theirs))
    return mine


def rebuilt_error(name: str, message: str, bases: Sequence[str] = ()) -> Exception:
    """Return an exception that a test can expect: of the built-in classes that it came from.

    Args:
        name: of its class.
        bases: names of the classes from which that is derived, itself included.
    """
    kinds: list[type[Exception]] = []
    for base in (name, *bases):
        kind = getattr(builtins, base, None)
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            continue
        if not any(issubclass(known, kind) for known in kinds):
            kinds.append(kind)
    if not kinds:
        return RuntimeError(f"{name}: {message}")
    text = message if kinds[0].__name__ == name else f"{name}: {message}"
    for chosen in (tuple(kinds), tuple(kinds[:1])):
        try:
            kind = chosen[0] if len(chosen) == 1 else type(name, chosen, {})
            return kind(text)
        except (TypeError, ValueError):  # it needs other arguments
            continue
    return RuntimeError(f"{name}: {message}")
