"""The four system calls that fanotify needs and Python lacks, and what they take."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from service.sentinel.told import ATTRIB, CLOSE_WRITE, MODIFY, ONDIR, STRUCTURE

_libc = ctypes.CDLL(None, use_errno=True)

DFID_NAME = 2
"""The record of an event that holds a directory's handle and a name in it."""

_CLOEXEC, _NONBLOCK, _UNLIMITED_QUEUE = 0x1, 0x2, 0x10
_REPORT_FID, _REPORT_DIR_FID, _REPORT_NAME, _REPORT_TARGET_FID = 0x200, 0x400, 0x800, 0x1000
_MARK_ADD, _MARK_FILESYSTEM = 0x1, 0x100
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_LONGEST_HANDLE = 128
_MASK = STRUCTURE | MODIFY | ATTRIB | CLOSE_WRITE | ONDIR


def init() -> int:
    """A descriptor that tells, by handles, in which directory, by which name and to which file it happened.

    Raises OSError: EPERM without CAP_SYS_ADMIN, EINVAL on a kernel before 5.17, ENOSYS without fanotify.
    """
    report = _REPORT_FID | _REPORT_DIR_FID | _REPORT_NAME | _REPORT_TARGET_FID
    return _called(_libc.fanotify_init, _CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE | report, os.O_RDONLY | os.O_CLOEXEC)


def mark(descriptor: int, path: bytes) -> None:
    """Ask for all events of the file system on which `path` lies; once more does no harm. Raises OSError."""
    _called(_libc.fanotify_mark, descriptor, _MARK_ADD | _MARK_FILESYSTEM, ctypes.c_uint64(_MASK), _AT_FDCWD, path)


def open_by_handle(on: int, handle: bytes) -> int:
    """A descriptor (O_PATH) of a file, `on` being any open file of its file system.

    `handle` is a struct file_handle. Raises OSError: ESTALE when the file is gone.
    """
    return _called(_libc.open_by_handle_at, on, handle, os.O_PATH | os.O_CLOEXEC)


def handle(of: int) -> bytes:
    """The struct file_handle of an open file, as events name it. Raises OSError: EOPNOTSUPP where files have none."""
    found = ctypes.create_string_buffer(struct.pack("=Ii", _LONGEST_HANDLE, 0), 8 + _LONGEST_HANDLE)
    _called(_libc.name_to_handle_at, of, b"", found, ctypes.byref(ctypes.c_int()), _AT_EMPTY_PATH)
    return found.raw[: 8 + struct.unpack_from("=I", found)[0]]


def _called(function: Any, *arguments: Any) -> int:
    result: int = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
