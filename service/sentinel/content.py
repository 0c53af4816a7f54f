"""The SHA-256 of a file's content, read so that nothing else on the host is pushed out of memory."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import threading

_CHUNK = 1 << 20
_WINDOW = 64 * _CHUNK
_local = threading.local()
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
_FAILED = ctypes.c_void_p(-1).value


def sha256(fd: int, size: int) -> bytes | None:
    """Of a file of `size` bytes; None when it is not that long (any more)."""
    if size < _CHUNK:
        content = os.read(fd, size + 1)
        return hashlib.sha256(content).digest() if len(content) == size else None
    return _long(fd, size)


def _long(fd: int, size: int) -> bytes | None:
    """What was not in the page cache before does not stay there; what was, stays."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(_CHUNK))
    buffer, found = _local.buffer, hashlib.sha256()
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    for start in range(0, size, _WINDOW):
        length = min(_WINDOW, size - start)
        keep = cached(fd, start, length)  # Most of it: of a little the kernel has read ahead.
        done = start
        while done < start + length:
            got = os.preadv(fd, [buffer[: start + length - done]], done)
            if not got:
                return None
            found.update(buffer[:got])
            done += got
        if not keep:
            os.posix_fadvise(fd, start, length, os.POSIX_FADV_DONTNEED)
    return None if os.pread(fd, 1, size) else found.digest()


def cached(fd: int, start: int, length: int) -> bool:
    """Whether most of it is in memory. Where that cannot be asked the cache is left alone."""
    address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, start)
    if address == _FAILED:
        return True
    try:
        pages = ctypes.create_string_buffer((length + mmap.PAGESIZE - 1) // mmap.PAGESIZE)
        if _libc.mincore(address, length, pages):
            return True
        return sum(byte & 1 for byte in pages.raw[::16]) * 2 > len(pages.raw[::16])
    finally:
        _libc.munmap(address, length)
