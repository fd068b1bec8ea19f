"""Put back what a cell has changed for all code of its process: modules, settings, streams.

Used where an answer is asked beside the cells it builds on alone (see `outside/alone.py`): what
these define stays, what they did to Python and to libraries does not.
"""

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import torch

# whose functions are put back one by one; of all others, the module itself
WATCHED = ("sys", "os", "math", "random", "json", "time", "itertools", "functools", "collections",
           "operator", "copy", "numpy", "torch", "torch.nn", "torch.nn.functional",
           "torch.nn.init", "torch.autograd", "torch.linalg", "tinybert_l")  # fmt: skip
OWN_OF_A_SHELL = frozenset(("displayhook", "excepthook", "stdin", "ps1", "ps2", "ps3", "last_exc"))


class ProcessSettings:
    """The settings of this process at the time when this object was made."""

    def __init__(self) -> None:
        self.modules = dict(sys.modules)
        self.names = {name: dict(vars(self.modules[name])) for name in WATCHED if self._has(name)}
        self.tensor = dict(vars(torch.Tensor))
        self.path = list(sys.path)
        self.finders = list(sys.meta_path)
        self.folder = os.getcwd()
        self.environ = dict(os.environ)
        self.filters = list(warnings.filters)
        self.numpy_errors = np.geterr()
        self.recursion = sys.getrecursionlimit()
        self.switching = sys.getswitchinterval()
        self.alarm = signal.getsignal(signal.SIGALRM)
        # kept as functions: a cell may replace the names by which they are found
        self.setters: tuple[Callable[[], Any], ...] = (
            _bound(sys.setrecursionlimit, self.recursion),
            _bound(sys.setswitchinterval, self.switching),
            _bound(sys.settrace, None),
            _bound(sys.setprofile, None),
            _bound(threading.settrace, None),  # type: ignore[arg-type]
            _bound(gc.enable),
            _bound(os.chdir, self.folder),
            _bound(signal.setitimer, signal.ITIMER_REAL, 0.0),
            _bound(signal.signal, signal.SIGALRM, self.alarm),
            _bound(torch.set_default_dtype, torch.get_default_dtype()),
            _bound(torch.set_default_device, None),
            _bound(torch.set_grad_enabled, torch.is_grad_enabled()),
            _bound(torch.use_deterministic_algorithms, False),
            _bound(torch.autograd.set_detect_anomaly, False),
            _bound(np.seterr, **self.numpy_errors),
        )

    def _has(self, name: str) -> bool:
        return isinstance(self.modules.get(name), ModuleType)

    def put_back(self) -> None:
        """Put everything back; what was added stays."""
        sys.modules.update(self.modules)
        for name, values in self.names.items():
            _update(self.modules[name], values)
        _update(torch.Tensor, self.tensor)
        sys.path[:] = [*sys.path, *(place for place in self.path if place not in sys.path)]
        sys.meta_path[:] = self.finders
        os.environ.update(self.environ)
        warnings.filters[:] = self.filters  # type: ignore[index]
        for setter in self.setters:
            with suppress(Exception):
                setter()


def _bound(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: function(*args, **kwargs)


def _update(owner: Any, values: dict[str, Any]) -> None:
    """Give a module or a class the values back that it had."""
    now = vars(owner)
    for name, value in values.items():
        if name in OWN_OF_A_SHELL or name.startswith("__") or now.get(name, owner) is value:
            continue
        with suppress(Exception):
            setattr(owner, name, value)
