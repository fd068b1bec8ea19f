"""Submissions that try to get out of the sandbox."""

ATTACKS = {
    "namespace": """
import ctypes

libc = ctypes.CDLL(None)
assert libc.unshare(0x10000000 | 0x20000) == 0
assert libc.mount(b"/", b"/mnt", None, 4096, None) == 0
""",
    "chroot": """
import os

os.chroot("/scratch")
os.chroot("../../../..")
""",
    "setuid": """
import os

os.setuid(0)
""",
    "devices": """
open("/dev/mem", "rb")
open("/dev/kmsg")
""",
    "docker_socket": """
import socket

socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock")
""",
    "raise_limits": """
import resource

resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
""",
}
