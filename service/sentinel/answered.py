"""A question of another thread to the state, which only the judge may touch."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from service.sentinel.dirty import Dirty
from service.sentinel.store import Store

T = TypeVar("T")


def answered(dirty: Dirty, store: Store, what: Callable[[Store], T], seconds: float) -> T:
    """What it returns; what it did to the state is kept, unless it raises. Raises what it raises, and TimeoutError."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            result = what(store)
            store.commit()
            future.set_result(result)
        except BaseException as error:
            store.rollback()
            future.set_exception(error)

    dirty.call(call)
    try:
        return future.result(seconds)
    except concurrent.futures.TimeoutError:
        raise TimeoutError from None  # Until Python 3.11 two exceptions.
