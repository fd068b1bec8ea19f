"""Run a submission's cells, and call its functions when the judge asks."""

import builtins
import functools
import os
import sys
import tempfile
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from tinybert_l.exercises.registry import find_exercise
from tinybert_l.exercises.shell import make_shell, run_cell
from tinybert_l.grading.inside.namespaces import SCRATCH, cut_off, limit_files, reseed
from tinybert_l.grading.inside.nobody import answer_at_once, hint
from tinybert_l.grading.inside.side import OUTPUT_LIMIT, Side, error_text
from tinybert_l.grading.inside.values import Decoder, Encoder
from tinybert_l.grading.inside.wire import BUILTINS_CHANGED, Header

SCRATCH_MEGABYTES = 64
MEMORY_MEGABYTES = 2048
CPU_SECONDS = 600
NAME_LIMIT = 100  # characters of an error's type
NAMES_SHOWN = 5  # of what was replaced
BASES_LIMIT = 20  # classes from which an error is derived
# what a notebook may put in place of Python's own: nothing here goes by it
OWN_TO_CHANGE = frozenset(
    ("_", "print", "input", "display", "get_ipython", "help", "exit", "quit", "breakpoint", "open")
)
Graph = tuple[list[torch.Tensor], list[torch.Tensor]]  # outputs and inputs of a call


class StudentSide(Side):
    """The process of one submission, which the judge's process asks through the grader."""

    def prepare(self) -> None:
        if self.isolate:
            cut_off(SCRATCH_MEGABYTES, MEMORY_MEGABYTES, CPU_SECONDS)
            scratch = SCRATCH
        else:
            scratch = tempfile.mkdtemp()
        limit_files()
        reseed(scratch)
        sys.path.insert(0, "")  # as in a kernel: what `%%writefile` wrote can be imported
        self.streams = (sys.stdout, sys.stderr)
        self.shell = make_shell()
        answer_at_once(self.shell, scratch)
        self.builtins = dict(builtins.__dict__)
        self.graphs: list[Graph] = []  # of the calls so far
        self.output_file = _redirect_output(os.path.join(scratch, ".output"))

    def handle(self, header: Header, buffers: list[bytes]) -> None:
        actions = {
            "run": self.run_cell,
            "call": self.call,
            "gradient": self.gradient,
            "value": self.value,
        }
        actions[header["op"]](header, buffers)

    def run_cell(self, header: Header, _: list[bytes]) -> None:
        """Run a cell as a notebook does; reply with what it printed, and its error."""
        os.ftruncate(self.output_file, 0)
        os.lseek(self.output_file, 0, os.SEEK_SET)
        error = run_cell(self.shell, header["source"])
        error = self._builtins_put_back() or error
        for stream in (*self.streams, sys.stdout, sys.stderr):
            with suppress(Exception):  # a notebook may have put anything in a stream's place
                stream.flush()
        if sys.stdout is None or sys.stderr is None:  # the shell cannot do without
            sys.stdout, sys.stderr = self.streams
        output = os.pread(self.output_file, OUTPUT_LIMIT + 1, 0).decode("utf-8", "replace")
        failure = None
        if error is not None:
            failure = {
                "ename": type(error).__name__[:NAME_LIMIT],
                "evalue": f"{error_text(error)} {hint(error)}".strip(),
                "traceback": [] if isinstance(error, BuiltinsChanged) else self.shell.failure or [],
            }
        self.reply({"output": output[:OUTPUT_LIMIT], "error": failure})

    def _builtins_put_back(self) -> "BuiltinsChanged | None":
        """Put back what code has replaced of Python's own; return the error that says so.

        Nothing is called here by a name that may have been replaced.
        """
        changed: list[str] = []
        for name, value in self.builtins.items():
            if name in OWN_TO_CHANGE or builtins.__dict__.get(name, changed) is value:
                continue
            builtins.__dict__[name] = value
            changed.append(name)
        return BuiltinsChanged(changed) if changed else None

    def call(self, header: Header, buffers: list[bytes]) -> None:
        """Call the student's function; reply with its result, and the arguments if it changed them.

        A call that is not answered yet is "missing". "graph" numbers the call, for `gradient`.
        """
        exercise = find_exercise(header["name"])
        answer = exercise.student or self._undecorated(header["name"])
        if answer is None:
            self.reply({"missing": True})
            return
        decoder = Decoder(buffers)
        args = decoder.decode(header["args"])
        kwargs = decoder.decode(header["kwargs"])
        inputs = _with_gradient(decoder.tensors)
        before = contents((args, kwargs))
        default_dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)  # that of the tests, whatever a cell has set
        encoder = Encoder()
        try:
            result = encoder.encode(answer(*args, **kwargs))  # a generator runs here
            changed = self._builtins_put_back()
            if changed is not None:
                raise changed
        except BaseException as error:
            error = self._builtins_put_back() or error
            if isinstance(error, NotImplementedError) and exercise.is_unanswered(error):
                self.reply({"missing": True})
            else:
                self._reply_error(error)
            return
        finally:
            torch.set_default_dtype(default_dtype)
        reply: Header = {"result": result, "graph": len(self.graphs)}
        self.graphs.append((list(encoder.tensors), inputs))
        if contents((args, kwargs)) != before:
            reply["changed"] = [encoder.encode(args), encoder.encode(kwargs)]
        self.reply(reply, encoder.buffers)

    def _undecorated(self, name: str) -> Callable[..., Any] | None:
        """Return the function to which a notebook gave an exercise's name; None without one.

        The tests that students see call it by that name, with or without `@….implement`.
        """
        value = self.shell.user_ns.get(name)
        is_function = isinstance(value, types.FunctionType | functools.partial)
        return value if is_function and not hasattr(value, "exercise") else None

    def gradient(self, header: Header, buffers: list[bytes]) -> None:
        """Reply with the vector-Jacobian product of an earlier call, for each of its inputs."""
        try:
            outputs, inputs = self.graphs[header["graph"]]
            given = Decoder(buffers).decode(header["given"])
            encoder = Encoder()
            tree = encoder.encode(_vector_jacobian_product(outputs, inputs, given))
            self.reply({"result": tree}, encoder.buffers)
        except BaseException as error:
            self._reply_error(error)

    def value(self, header: Header, _: list[bytes]) -> None:
        """Reply with a variable of the submission, where it is plain data."""
        name = header["name"]
        encoder = Encoder()
        tree = encoder.encode(self.shell.user_ns.get(name))
        defined = name in self.shell.user_ns
        self.reply({"defined": defined, "result": tree}, encoder.buffers)

    def _reply_error(self, error: BaseException) -> None:
        name = type(error).__name__[:NAME_LIMIT]
        bases = [kind.__name__[:NAME_LIMIT] for kind in type(error).__mro__[:BASES_LIMIT]]
        self.reply({"error": name, "message": error_text(error), "bases": bases})


class BuiltinsChanged(RuntimeError):
    """Code has replaced Python's own functions or types, for all code in its process.

    Args:
        names: that were replaced.
    """

    def __init__(self, names: list[str]) -> None:
        shown = ", ".join(names[:NAMES_SHOWN])
        super().__init__(
            f"this code replaced Python's own {shown}, for the library and the tests, too; it "
            "counts as failed, and grading went on without it. "
            f"代码替换了Python内置的{shown}，按失败处理，评分已跳过它继续进行。"
        )


BuiltinsChanged.__name__ = BUILTINS_CHANGED


def contents(value: Any) -> tuple[Any, list[bytes]]:
    """Return a value's contents as plain data, which can be compared."""
    encoder = Encoder()
    return encoder.encode(value), encoder.buffers


def _redirect_output(path: str) -> int:
    """Send standard output and error into a file, and close standard input; return the file."""
    output_file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output_file, 1)
    os.dup2(output_file, 2)
    return output_file


def _with_gradient(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [tensor for tensor in tensors if tensor.requires_grad]


def _vector_jacobian_product(
    outputs: list[torch.Tensor], inputs: list[torch.Tensor], given: list[torch.Tensor | None]
) -> list[torch.Tensor | None]:
    """Return the gradients of the inputs, from those given of the outputs (None: not needed)."""
    differentiated = []
    output_gradients = []
    for output, gradient in zip(outputs, given, strict=True):
        if gradient is not None and output.requires_grad:
            differentiated.append(output)
            output_gradients.append(gradient)
    if not differentiated:
        return [None] * len(inputs)
    gradients = torch.autograd.grad(
        differentiated, inputs, output_gradients, allow_unused=True, retain_graph=True
    )
    return list(gradients)
