"""Bound the memory of a whole submission, from a process outside it that it cannot reach.

A limit on each process is none on all together. Where a submission runs there is rarely a control
group of its own to be had (containers hide them), so its watcher adds up, ten times a second, what
its processes have; what belongs to no process is forbidden (see `forbid_hidden_memory`) or has a
size of its own (/scratch, /dev/shm).
"""

import ctypes
import errno
import os
import platform
import resource
import select
import signal
import struct
from contextlib import suppress

INTERVAL_MILLISECONDS = 100
SHARED_ANONYMOUS = b"/dev/zero (deleted)"  # how the kernel calls it in `maps`
# <linux/prctl.h>, <linux/seccomp.h>, <linux/filter.h>
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RETURN_ALLOW = 0x7FFF0000
RETURN_ERRNO = 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
X32_BIT = 0x40000000  # of the numbers of a second set of calls that x86-64 has
# {machine: (its number in <linux/audit.h>, numbers of memfd_create, memfd_secret, shmget)}
CALLS = {
    "x86_64": (0xC000003E, (319, 447, 29)),
    "aarch64": (0xC00000B7, (279, 447, 194)),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def forbid_hidden_memory() -> None:
    """Forbid the calls that make memory outside any file system's size and process's limit.

    Raises:
        OSError: the kernel refuses the filter.
    """
    if platform.machine() not in CALLS:
        return  # there the limit of each process is all there is
    architecture, numbers = CALLS[platform.machine()]
    refuse = RETURN_ERRNO | errno.EPERM
    tests = [(JUMP_IF_AT_LEAST, X32_BIT), *((JUMP_IF_EQUAL, number) for number in numbers)]
    lines = [
        (LOAD_WORD, 0, 0, 4),  # the architecture: another one's numbers mean other calls
        (JUMP_IF_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, refuse),
        (LOAD_WORD, 0, 0, 0),  # the number of the call
    ]
    for index, (test, number) in enumerate(tests):
        lines.append((test, len(tests) - index, 0, number))
    lines += [(RETURN, 0, 0, RETURN_ALLOW), (RETURN, 0, 0, refuse)]
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"sandbox: forbidding memory failed: {os.strerror(number)}")


class Watcher:
    """Waits for a child and ends it, with all below it, when they have too much memory.

    Make it before the child is forked and before /proc is hidden.

    Args:
        megabytes: what all may have together, beyond what each shares with this process.
        places: file systems in memory that count too.
    """

    def __init__(self, megabytes: int, places: tuple[str, ...]) -> None:
        self.limit = megabytes * 2**20
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
            if self.used(child) > self.limit:
                os.kill(child, signal.SIGKILL)  # the first of its namespace: all others end too
                ended = True
                break
        os.close(descriptor)
        os.waitpid(child, 0)
        return ended

    def used(self, child: int) -> int:
        """Return the bytes that the processes below a child have together.

        First what they could have at most, which costs little; only where that is above the limit
        what they have.
        """
        below = self._below(child)
        files = sum(map(_used_in, self.places))
        most = files
        for process in below:
            most += self._growth(process)
        if most <= self.limit:
            return most
        shared: dict[bytes, int] = {}
        total = files
        for process in below:
            total += self._own_memory(process, shared)
        return total + sum(shared.values())

    def _below(self, child: int) -> list[int]:
        """List the processes that descend from a child; itself runs no line of a submission."""
        children: dict[int, list[int]] = {}
        for name in os.listdir(self.proc):
            if name.isdigit():
                with suppress(OSError, IndexError):
                    fields = self._read(f"{name}/stat").rpartition(b")")[2].split()
                    children.setdefault(int(fields[1]), []).append(int(name))
        found: list[int] = []
        waiting = list(children.get(child, []))
        while waiting:
            process = waiting.pop()
            found.append(process)
            waiting += children.get(process, [])
        return found

    def _growth(self, process: int) -> int:
        """Return how much larger than this process's address space another one's is."""
        try:
            return max(0, self._size(process) - self.size_now)
        except (OSError, IndexError):
            return 0  # it has ended

    def _size(self, process: int) -> int:
        return int(self._read(f"{process}/statm").split()[0]) * self.page

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
            for line in self._read(f"{process}/smaps_rollup").splitlines():
                if line.startswith(b"Pss_Anon:"):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError):
            pass
        return self._growth(process)

    def _read(self, path: str) -> bytes:
        descriptor = os.open(path, os.O_RDONLY, dir_fd=self.proc)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()


def _used_in(place: str) -> int:
    """Return the bytes that a file system holds."""
    sizes = os.statvfs(place)
    return (sizes.f_blocks - sizes.f_bfree) * sizes.f_frsize
