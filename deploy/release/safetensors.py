"""A safetensors file's header, read without running anything and without believing it."""

import math
from pathlib import Path
from typing import Any

from deploy.release.documents import strict

_HEADER_LIMIT = 100_000_000
_BITS = {
    "F64": 64,
    "I64": 64,
    "U64": 64,
    "C64": 64,
    "F32": 32,
    "I32": 32,
    "U32": 32,
    "F16": 16,
    "BF16": 16,
    "I16": 16,
    "U16": 16,
}
_BITS |= {"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}


class BadHeader(ValueError):
    """The file is not what its header says, or has none."""


def tensors(path: Path) -> frozenset[str]:
    """Names of the tensors; raises BadHeader unless they cover the file without gap or overlap."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= min(_HEADER_LIMIT, size - 8):
            raise BadHeader(f"got a header of {length} bytes in a file of {size}")
        header = _parse(file.read(length))
    header.pop("__metadata__", None)
    at = 0
    for begin, end, name in sorted(_extent(name, entry) for name, entry in header.items()):
        if begin != at:
            raise BadHeader(f"tensor {name!r} begins at {begin}, expected {at}")
        at = end
    if at != size - 8 - length:
        raise BadHeader(f"tensors end at {at}, expected {size - 8 - length}")
    return frozenset(header)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        header = strict(content)
    except ValueError as error:
        raise BadHeader(f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise BadHeader("the header is not a JSON object")
    return header


def _extent(name: str, entry: Any) -> tuple[int, int, str]:
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise BadHeader(f"tensor {name!r} lacks dtype, shape or data_offsets") from None
    numbers = [begin, end, *shape] if isinstance(shape, list) else [None]
    if (
        not isinstance(kind, str)
        or kind not in _BITS
        or not all(type(number) is int and number >= 0 for number in numbers)
    ):
        raise BadHeader(f"tensor {name!r} has an unknown type or shape")
    if (end - begin) * 8 != math.prod(shape) * _BITS[kind]:
        raise BadHeader(f"tensor {name!r} takes {end - begin} bytes, its shape says otherwise")
    return begin, end, name
