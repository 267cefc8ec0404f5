"""One daemon thread that advances what may block, no further ahead than a window."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_END: Any = object()


class Feeder(Generic[T]):
    """The items of an iterable, advanced in a thread of their own.

    `iter()` and every `next()` run in that thread, and so does the `close()` of a generator that was not
    exhausted. A thread that hangs in one of them is left behind: neither `close()` nor the interpreter's exit
    waits for it.

    Args:
        given: what is advanced.
        window: items that may be ahead of what `take` has handed out.
    """

    def __init__(self, given: Iterable[T], window: int) -> None:
        self._items: deque[T] = deque()
        self._window = window
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None
        threading.Thread(target=self._run, args=(given,), name="pdl-feeder", daemon=True).start()

    def take(self, limit: int) -> list[T] | None:
        """Up to `limit` items that are there; none for "nothing yet", None for the end.

        Raises:
            BaseException: what the iterable raised, once, after the items before it.
        """
        with self._changed:
            if taken := [self._items.popleft() for _ in range(min(limit, len(self._items)))]:
                self._changed.notify()
                return taken
            if self._ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
        time.sleep(0)  # where gevent has patched the program, the feeder is a greenlet and needs its turn
        return []

    def close(self) -> None:
        """Advance no more; what is ahead is dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify()

    def _run(self, given: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            self._advance(given)
        except BaseException as raised:  # a generator may raise anything, and take() passes it on
            error = raised
        with self._changed:
            self._error = None if self._closed else error
            self._ended = True

    def _advance(self, given: Iterable[T]) -> None:
        iterator = iter(given)
        while self._may_go_on():
            item = next(iterator, _END)
            if item is _END:
                return
            self._hold(item)
        _dispose(iterator)

    def _may_go_on(self) -> bool:
        """Wait for room; False once nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._window)
            return not self._closed

    def _hold(self, item: T) -> None:
        with self._changed:
            if not self._closed:
                self._items.append(item)


def _dispose(iterator: Iterator[Any]) -> None:
    """Close what was begun here; files and other iterators belong to the caller."""
    if isinstance(iterator, Generator):
        with contextlib.suppress(Exception):  # nobody is left who could be told
            iterator.close()
