"""Opening what lies at a path without ever following a symbolic link, not even on the way there."""

from __future__ import annotations

import ctypes
import os

_OPENAT2 = 437  # The same number on every architecture.
_NO_SYMLINKS = 0x04
_HERE = -100  # AT_FDCWD
_LONGEST = 4000  # The kernel takes 4095 bytes; trees may be deeper.
_syscall = ctypes.CDLL(None, use_errno=True).syscall


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW_SIZE = ctypes.sizeof(_How)
_hows: dict[int, _How] = {}
"""By flags, of which there are few: this is called for every file."""


def opened(path: bytes, flags: int) -> int:
    """A file descriptor. Raises OSError: ELOOP where a part of the path is a link, the last but with O_PATH."""
    directory = _HERE
    try:
        while len(path) > _LONGEST:
            cut = path.rindex(b"/", 1, _LONGEST)
            closed, directory = directory, _open(directory, path[:cut], os.O_PATH | os.O_DIRECTORY)
            path = path[cut + 1 :]
            if closed != _HERE:
                os.close(closed)
        return _open(directory, path, flags)
    finally:
        if directory != _HERE:
            os.close(directory)


def _open(directory: int, path: bytes, flags: int) -> int:
    how = _hows.get(flags)
    if how is None:
        how = _hows[flags] = _How(flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _NO_SYMLINKS)
    fd: int = _syscall(_OPENAT2, directory, path, ctypes.byref(how), _HOW_SIZE)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return fd
