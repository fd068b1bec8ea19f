"""Bound memory and processes of a whole submission, from outside, where it cannot reach.

A limit on each process is none on all together. Where a submission runs there is rarely a control
group of its own to be had (containers hide them), so its watcher adds up, ten times a second, what
its processes have; what belongs to no process is forbidden (see `filters.py`) or has a size of its
own (/scratch, /dev/shm).
"""

import os
import resource
import select
import signal
from contextlib import suppress

INTERVAL_MILLISECONDS = 100
SHARED_ANONYMOUS = b"/dev/zero (deleted)"  # how the kernel calls it in `maps`
OWN_MEMORY = (b"Pss_Anon:", b"SwapPss:")  # lines of `smaps_rollup`, in kB
# fields of `stat` behind the name of the program
PARENT, THREADS = 1, 17


class Watcher:
    """Waits for a child and ends it, with all below it, when they have too much together.

    Make it before the child is forked and before /proc is hidden.

    Args:
        megabytes: what all may have together, beyond what each shares with this process.
        tasks: processes and threads that there may be at a time.
        places: file systems in memory that count too.
    """

    def __init__(self, megabytes: int, tasks: int, places: tuple[str, ...]) -> None:
        self.limit = megabytes * 2**20
        self.tasks = tasks
        self.places = places
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        self.page = resource.getpagesize()
        self.size_now = self._size(os.getpid())

    def forget(self) -> None:
        """Close, in the child, what only the watcher may have."""
        os.close(self.proc)

    def wait(self, child: int) -> bool:
        """Return when a child has ended, or was ended; says whether it was."""
        poll = select.poll()
        descriptor = os.pidfd_open(child)
        poll.register(descriptor, select.POLLIN)
        ended = False
        while not poll.poll(INTERVAL_MILLISECONDS):
            if self.is_too_much(child):
                os.kill(child, signal.SIGKILL)  # the first of its namespace: all others end too
                ended = True
                break
        os.close(descriptor)
        os.waitpid(child, 0)
        return ended

    def is_too_much(self, child: int) -> bool:
        """Tell whether the processes below a child have too much together."""
        below, tasks = self._below(child)
        return tasks > self.tasks or self.used(below) > self.limit

    def used(self, below: list[int]) -> int:
        """Return the bytes that processes have together; of a single one what it could have.

        A single process cannot have more than its own limit allows, so that looking closely, which
        takes milliseconds, can wait until there are others.
        """
        files = sum(map(_used_in, self.places))
        if len(below) == 1:
            most = files + self._growth(below[0])
            if most <= self.limit:
                return most
        shared: dict[bytes, int] = {}
        total = files
        for process in below:
            total += self._own_memory(process, shared)
        return total + sum(shared.values())

    def _below(self, child: int) -> tuple[list[int], int]:
        """List the processes that descend from a child, and count them with their threads.

        The child itself runs no line of a submission.
        """
        children: dict[int, list[int]] = {}
        threads = {}
        for name in os.listdir(self.proc):
            if name.isdigit():
                with suppress(OSError, IndexError):
                    fields = self._read(f"{name}/stat").rpartition(b")")[2].split()
                    children.setdefault(int(fields[PARENT]), []).append(int(name))
                    threads[int(name)] = int(fields[THREADS])
        found: list[int] = []
        waiting = list(children.get(child, []))
        while waiting:
            process = waiting.pop()
            found.append(process)
            waiting += children.get(process, [])
        return found, sum(threads[process] for process in found)

    def _growth(self, process: int) -> int:
        """Return how much larger than this process's address space another one's is."""
        return max(0, self._size(process) - self.size_now)

    def _size(self, process: int) -> int:
        """Return the size of a process's address space; 0 where it has ended."""
        try:
            return int(self._read(f"{process}/statm").split()[0]) * self.page
        except (OSError, IndexError):
            return 0

    def _own_memory(self, process: int, shared: dict[bytes, int]) -> int:
        """Return the memory that a process has, its part of what it shares with others included.

        One that does not let itself be looked at counts with all that it could have.

        Args:
            shared: gets {inode: size} of memory that outlives the process which filled it.
        """
        try:
            for line in self._read(f"{process}/maps").splitlines():
                if line.endswith(SHARED_ANONYMOUS):
                    addresses, _, _, _, inode = line.split()[:5]
                    begin, end = (int(address, 16) for address in addresses.split(b"-"))
                    shared[inode] = max(shared.get(inode, 0), end - begin)
            kilobytes = 0
            for line in self._read(f"{process}/smaps_rollup").splitlines():
                if line.startswith(OWN_MEMORY):
                    kilobytes += int(line.split()[1])
            return kilobytes * 1024
        except (OSError, ValueError):
            return self._size(process)

    def _read(self, path: str) -> bytes:
        descriptor = os.open(path, os.O_RDONLY, dir_fd=self.proc)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()


def _used_in(place: str) -> int:
    """Return the bytes that a file system holds."""
    sizes = os.statvfs(place)
    return (sizes.f_blocks - sizes.f_bfree) * sizes.f_frsize
