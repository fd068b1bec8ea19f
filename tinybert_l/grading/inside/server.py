"""Import torch once, then fork a process for each submission, as student or as judge.

`python -m tinybert_l.grading.inside.server LECTURE ISOLATE LISTENER KEEPALIVE`; the last two are
descriptors of sockets. Each connection to the listener gets a process of its own, which lives as
long as the connection; its first message says whether it judges. A student's process cuts itself
off (see `namespaces`) before a line of the submission runs. Nothing secret is in its memory: the
forking process never sees tests, grades or other submissions.
"""

import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

import torch

import tinybert_l
from tinybert_l.exercises.registry import exercises
from tinybert_l.grading.inside.judge import JudgeSide
from tinybert_l.grading.inside.student import StudentSide
from tinybert_l.grading.inside.wire import receive

# From the modules that submissions and tests use most. Not all can be loaded before a fork:
# matplotlib starts a thread.
PUBLIC_NAMES_TO_LOAD = ("ElasticBertModel", "evaluate", "load_reader", "load_writer")


class Server:
    """Forks a process for each connection, and ends it when the other end hangs up.

    Args:
        lecture: number of the lecture that is graded.
        isolate: whether students' processes cut themselves off.
        listener: the socket that connections come to.
        keepalive: the server ends when the other end of this socket is closed.
    """

    def __init__(
        self, lecture: int, isolate: bool, listener: socket.socket, keepalive: socket.socket
    ) -> None:
        self.lecture = lecture
        self.isolate = isolate
        self.listener = listener
        self.keepalive = keepalive
        self.connections: dict[int, socket.socket] = {}  # by descriptor
        self.children: dict[int, int] = {}  # descriptor of the connection, by process id
        self.poll = select.poll()
        # a signal that a child has ended writes a byte into this pipe, which wakes `poll`
        self.wakeup_read, self.wakeup_write = os.pipe()

    def serve(self) -> None:
        """Serve until `keepalive` is closed."""
        self._prepare()
        handlers = {self.listener.fileno(): self.on_connection, self.wakeup_read: self.on_child}
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor == self.keepalive.fileno():
                    self.close()
                    return
                if descriptor in handlers:
                    handlers[descriptor]()
                else:
                    self.on_hangup(descriptor)

    def on_connection(self) -> None:
        """Fork the process that serves a new connection."""
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return
        child = os.fork()
        if child == 0:
            self._forget()
            live(self.lecture, self.isolate, connection)
        descriptor = connection.fileno()
        self.connections[descriptor] = connection
        self.children[child] = descriptor
        self.poll.register(descriptor, 0)  # `poll` reports hang-ups in any case

    def on_hangup(self, descriptor: int) -> None:
        """End the process of a connection whose other end is closed."""
        for child, its_descriptor in self.children.items():
            if its_descriptor == descriptor:
                _kill(child)
        with suppress(KeyError):
            self.poll.unregister(descriptor)

    def on_child(self) -> None:
        """Close the connections of processes that have ended, so that their other ends see it."""
        os.read(self.wakeup_read, 4096)
        while True:
            try:
                child, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return  # there is none
            if child == 0:
                return  # all others run
            descriptor = self.children.pop(child, None)
            if descriptor is not None:
                with suppress(KeyError):
                    self.poll.unregister(descriptor)
                self.connections.pop(descriptor).close()

    def close(self) -> None:
        """End all processes."""
        for child in self.children:
            _kill(child)

    def _prepare(self) -> None:
        torch.set_num_threads(1)
        warm_up()
        if sys.platform == "linux" and len(os.listdir("/proc/self/task")) != 1:
            raise RuntimeError("The forking process has more than one thread.")
        self.keepalive.sendall(b"ready")
        self.listener.setblocking(False)
        for descriptor in (self.wakeup_read, self.wakeup_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self.wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing is written
        for descriptor in (self.listener.fileno(), self.keepalive.fileno(), self.wakeup_read):
            self.poll.register(descriptor, select.POLLIN)

    def _forget(self) -> None:
        """Close, in a forked process, all that belongs to the server."""
        signal.set_wakeup_fd(-1)
        for open_socket in (self.listener, self.keepalive, *self.connections.values()):
            open_socket.close()
        os.close(self.wakeup_read)
        os.close(self.wakeup_write)


def live(lecture: int, isolate: bool, connection: socket.socket) -> NoReturn:
    """Serve one connection, as judge or as student, and end this process."""
    os.setsid()  # or a signal to its group would reach the server
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        role, _ = receive(connection)
        side = JudgeSide if role["judge"] else StudentSide
        side(connection, lecture, isolate).run()
    finally:
        os._exit(0)


def warm_up() -> None:
    """Load what submissions and their tests use, so that their processes need not."""
    exercises()
    for name in PUBLIC_NAMES_TO_LOAD:
        getattr(tinybert_l, name)  # imports the module where it is defined
    logits = torch.zeros(1, 2, requires_grad=True)
    torch.nn.functional.cross_entropy(logits, torch.zeros(1, dtype=torch.long))


def main() -> None:
    """Serve as the arguments say."""
    lecture, isolate, listener, keepalive = map(int, sys.argv[1:])
    listening = socket.socket(fileno=listener)
    Server(lecture, bool(isolate), listening, socket.socket(fileno=keepalive)).serve()


def _kill(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
