"""Cut a submission's process off: its own namespaces and scratch, limits, no capabilities.

Works on Linux. Every step that fails raises an error: a process that is not cut off never runs a
line of a submission.
"""

import ctypes
import os
import random
import resource
import signal
import tempfile
from contextlib import suppress

import numpy as np
import torch

from tinybert_l.grading.inside.filters import CLONE_NEWUSER, forbid_calls
from tinybert_l.grading.inside.memory import Watcher

# <linux/sched.h>
CLONE_NEWNS = 0x20000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# <linux/mount.h>
MS_NOSUID = 2
MS_NODEV = 4
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
# <linux/capability.h>: _LINUX_CAPABILITY_VERSION_3, with three sets of two words
CAPABILITY_VERSION = 0x20080522
CAPABILITY_WORDS = 6

PROCESS_LIMIT = 128
OPEN_FILES_LIMIT = 256
FILE_SIZE_LIMIT = 64 * 2**20  # bytes
SCRATCH = "/scratch"
MEMORY_FILE_SYSTEMS = (SCRATCH, "/dev/shm")
libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, step: str) -> None:
    """Raise the `OSError` of a call to libc that failed, with the name of the step."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"sandbox: {step} failed: {os.strerror(number)}")


def cut_off(scratch_megabytes: int, memory_megabytes: int, cpu_seconds: int) -> None:
    """Move into namespaces of this process's own, with limits; returns in the innermost process.

    Args:
        scratch_megabytes: size of /scratch, and of /dev/shm.
        memory_megabytes: address space of a process beyond what it has now, and memory of all
            processes of the submission together.
        cpu_seconds: processor time.
    Raises:
        OSError: a step failed; names it.
    """
    size_now = _address_space()  # /proc is empty later on
    watcher = Watcher(memory_megabytes, PROCESS_LIMIT, MEMORY_FILE_SYSTEMS)
    _new_namespaces()
    _continue_in_a_child(watcher)
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "pdeathsig")
    _hide_files(scratch_megabytes)
    _drop_privileges()
    _continue_below_an_init()
    limit_memory(memory_megabytes, size_now)
    forbid_calls()
    # the kernel exempts a grader that runs as root from this limit; the watcher does not
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESS_LIMIT, PROCESS_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))


def limit_memory(megabytes: int, size_now: int | None = None) -> None:
    """Limit the address space of this process to so much more than it has now.

    Args:
        size_now: in bytes; None: /proc says it.
    """
    if size_now is None:
        size_now = _address_space()
    memory = size_now + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def limit_files() -> None:
    """Limit size and number of files; works without a sandbox too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE_LIMIT, FILE_SIZE_LIMIT))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_LIMIT, OPEN_FILES_LIMIT))
    # writing too much is then an error of the cell, and does not end the process
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def reseed(scratch: str) -> None:
    """Give a forked child its own random state and temporary directory, which it shares otherwise.

    Args:
        scratch: the working directory, home and temporary directory from now on.
    """
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    tempfile.tempdir = None
    os.environ.update(HOME=scratch, TMPDIR=scratch, IPYTHONDIR=scratch, PWD=scratch)
    os.chdir(scratch)


def _address_space() -> int:
    """Return the size of this process's address space in bytes."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    return pages * resource.getpagesize()


def _new_namespaces() -> None:
    user = os.getuid()
    group = os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS
    check(libc.unshare(flags), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    # no namespaces inside this one; where /proc/sys is out of reach, `filters` alone forbids them
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")


def _continue_in_a_child(watcher: Watcher) -> None:
    """Return in a forked child, the first process of the new process namespace."""
    child = os.fork()
    if child:
        try:
            watcher.wait(child)
        finally:
            os._exit(0)  # and the child dies with its parent
    watcher.forget()
    os.setsid()  # or a signal to its group would reach the process that waits for it


def _continue_below_an_init() -> None:
    """Return in a forked child, whose parent is the first process of the namespace.

    That one runs no line of a submission, cannot be reached from inside, and dies with the server's
    child outside: then the kernel ends everything that the submission has started.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        return
    check(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "an init that cannot be traced")
    os.closerange(0, OPEN_FILES_LIMIT)
    while True:
        ended, _ = os.waitpid(-1, 0)
        if ended == child:
            os._exit(0)


def _hide_files(scratch_megabytes: int) -> None:
    """Mount an empty file system over every place that processes share."""
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    own_files = b"size=%dm,mode=700" % scratch_megabytes
    # /tmp is a link to /scratch, or read-only
    for place, options in (
        (SCRATCH, own_files),
        ("/dev/shm", own_files),
        ("/proc", b"size=64k,mode=500"),
    ):
        flags = MS_NOSUID | MS_NODEV
        mounted = libc.mount(b"tmpfs", place.encode(), b"tmpfs", flags, options)
        check(mounted, f"tmpfs on {place}")


def _drop_privileges() -> None:
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    no_capabilities = (ctypes.c_uint32 * CAPABILITY_WORDS)()
    check(libc.capset(header, no_capabilities), "dropping capabilities")
