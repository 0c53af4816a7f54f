"""Ways into the kernel that a service does not need, each tried once and undone."""

import ctypes
import errno
import os
import platform
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
"""What a filter, a missing capability or a kernel without the feature says; any other error is the feature's own."""

_NUMBERS = {
    "x86_64": {"mount": 165, "setns": 308, "unshare": 272, "bpf": 321, "perf_event_open": 298, "keyctl": 250}
    | {"userfaultfd": 323, "io_uring_setup": 425},
    "aarch64": {"mount": 40, "setns": 268, "unshare": 97, "bpf": 280, "perf_event_open": 241, "keyctl": 219}
    | {"userfaultfd": 282, "io_uring_setup": 425},
}
_NEW_USER = 0x10000000
_ALG, _VSOCK = 38, 40


def call(name: str, *arguments: Any) -> int:
    """A system call by number; returns its error, 0 for none."""
    number = _NUMBERS[platform.machine()][name]
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result >= 0 and name in ("userfaultfd", "io_uring_setup", "bpf", "perf_event_open"):
        os.close(result)
    return ctypes.get_errno() if result < 0 else 0


def opened(family: int, kind: int, protocol: int = 0) -> int:
    """A socket of a family; returns its error, 0 for none."""
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        return error.errno or 0
    return 0


def own_network_namespace() -> int:
    """To enter a namespace, if only our own, takes the right to enter any."""
    descriptor = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        return call("setns", ctypes.c_int(descriptor), ctypes.c_int(0))
    finally:
        os.close(descriptor)


def device() -> int:
    """A device node (of /dev/null), in a directory for temporary files."""
    path = Path(f"/tmp/.casemate-probe-{os.getpid()}")  # noqa: S108
    try:
        os.mknod(path, 0o20600, os.makedev(1, 3))
        path.unlink()
    except OSError as error:
        return error.errno or 0
    return 0


ATTEMPTS: dict[str, Callable[[], int]] = {
    # A file system that there is not: the kernel asks for the right first, and nothing is ever mounted.
    "mount": lambda: call("mount", b"none", b"/", b"casemate-probe", ctypes.c_ulong(0), None),
    "setns": own_network_namespace,
    "unshare": lambda: call("unshare", ctypes.c_int(_NEW_USER)),
    "bpf": lambda: call("bpf", ctypes.c_int(0), None, ctypes.c_uint(0)),
    "perf_event_open": lambda: call("perf_event_open", None, 0, -1, -1, ctypes.c_ulong(0)),
    "keyctl": lambda: call("keyctl", ctypes.c_int(0), ctypes.c_int(-2), ctypes.c_int(0)),
    "userfaultfd": lambda: call("userfaultfd", ctypes.c_int(1)),
    "io_uring_setup": lambda: call("io_uring_setup", ctypes.c_uint(0), None),
    "mknod": device,
    "AF_ALG": lambda: opened(_ALG, socket.SOCK_SEQPACKET),
    "AF_VSOCK": lambda: opened(_VSOCK, socket.SOCK_STREAM),
    "AF_PACKET": lambda: opened(socket.AF_PACKET, socket.SOCK_RAW),
    "raw socket": lambda: opened(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "ICMP socket": lambda: opened(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
}


def in_child(attempt: Callable[[], int]) -> int:
    """Try it in a process of its own, which takes what it changed with it. A process that is killed was refused."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(attempt())
        except OSError as error:
            os._exit(error.errno or errno.EPERM)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else errno.EPERM


def syscalls() -> dict[str, dict[str, Any]]:
    """Each way in: {"reached": did the kernel let it through, "how": the error or "allowed"}."""
    errors = {name: in_child(attempt) for name, attempt in ATTEMPTS.items()}
    return {
        name: {
            "reached": number not in _REFUSED,
            "how": errno.errorcode.get(number, str(number)) if number else "allowed",
        }
        for name, number in errors.items()
    }
