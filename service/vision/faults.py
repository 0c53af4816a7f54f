"""Telling of a fault in our own code: where it was, and not what it was about, for that may be a prompt."""

from __future__ import annotations

import sys
import traceback


def tell(error: BaseException) -> None:
    """Write type and place to stderr, without the message."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    print(f"{type(error).__module__}.{type(error).__qualname__} at:\n{frames}", file=sys.stderr, end="", flush=True)
