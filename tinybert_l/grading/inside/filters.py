"""Forbid system calls to a submission: those that would take it past its limits.

Memory outside of any process and file system (memfd, System V segments) is counted by nobody, and
in a user namespace of its own a process could mount and hide. No honest notebook needs either.
"""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

# <linux/prctl.h>, <linux/seccomp.h>, <linux/filter.h>, <linux/sched.h>
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RETURN_ALLOW = 0x7FFF0000
RETURN_ERRNO = 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
CLONE_NEWUSER = 0x10000000
# offsets in `struct seccomp_data`: the number of the call, the architecture, the first argument
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
X32_BIT = 0x40000000  # of the numbers of a second set of calls that x86-64 has
SKIP_NEXT = 1


@dataclass(frozen=True)
class Calls:
    """Numbers of system calls on one kind of machine.

    Args:
        architecture: its number in <linux/audit.h>.
        forbidden: memfd_create, memfd_secret, shmget, setns.
        with_flags: clone and unshare, whose first argument holds flags.
        clone3: whose flags a filter cannot see; libraries fall back on clone where it is missing.
    """

    architecture: int
    forbidden: tuple[int, ...]
    with_flags: tuple[int, ...]
    clone3: int = 435


CALLS = {
    "x86_64": Calls(0xC000003E, (319, 447, 29, 308), (56, 272)),
    "aarch64": Calls(0xC00000B7, (279, 447, 194, 268), (220, 97)),
}
Line = tuple[int, int, int, int]  # code, jump if true, jump if false, value


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def forbid_calls() -> None:
    """Forbid the calls, to this process and to all that it starts.

    Raises:
        OSError: the kernel refuses the filter.
    """
    if platform.machine() not in CALLS:
        return  # there the limit of each process is all there is
    lines = _lines(CALLS[platform.machine()])
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"sandbox: forbidding calls failed: {os.strerror(number)}")


def _lines(calls: Calls) -> list[Line]:
    """Return the program that the kernel runs before each call; a jump skips so many lines."""
    refuse = (RETURN, 0, 0, RETURN_ERRNO | errno.EPERM)
    missing = (RETURN, 0, 0, RETURN_ERRNO | errno.ENOSYS)
    lines: list[Line] = [
        (LOAD_WORD, 0, 0, ARCHITECTURE),  # another one's numbers mean other calls
        (JUMP_IF_EQUAL, SKIP_NEXT, 0, calls.architecture),
        refuse,
        (LOAD_WORD, 0, 0, NUMBER),
        (JUMP_IF_AT_LEAST, 0, SKIP_NEXT, X32_BIT),
        refuse,
        (JUMP_IF_EQUAL, 0, SKIP_NEXT, calls.clone3),
        missing,
    ]
    for number in calls.forbidden:
        lines += [(JUMP_IF_EQUAL, 0, SKIP_NEXT, number), refuse]
    for number in calls.with_flags:
        lines += [
            (JUMP_IF_EQUAL, 0, 4, number),
            (LOAD_WORD, 0, 0, FIRST_ARGUMENT),
            (JUMP_IF_ANY_BIT, 0, SKIP_NEXT, CLONE_NEWUSER),
            refuse,
            (LOAD_WORD, 0, 0, NUMBER),
        ]
    return [*lines, (RETURN, 0, 0, RETURN_ALLOW)]
