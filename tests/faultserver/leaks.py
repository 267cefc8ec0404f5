"""What a process holds, so that a test can show that something it closed left nothing behind."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from .listener import THREAD_PREFIX, own_descriptors

_DESCRIPTORS = "/proc/self/fd"
_TASKS = "/proc/self/task"


@dataclass(frozen=True)
class Snapshot:
    """Threads, greenlets, child processes and descriptors of this process, each by a name for people.

    What belongs to the fault servers is left out, and so is what an engine may leave behind: multiprocessing's
    resource tracker, gevent's hub, and daemon threads that are inside `getaddrinfo` (by that name: a stand-in that
    hangs must be called so too).
    """

    held: dict[object, str]

    @classmethod
    def take(cls) -> Snapshot:
        """A look at the process as it is; call it before the engine is made."""
        _warm_gevent_up()
        return cls(_look())


def assert_nothing_left(before: Snapshot, timeout: float = 2.0) -> None:
    """Wait until this process holds nothing more than before.

    Raises:
        AssertionError: something is still there after `timeout` seconds; the message lists it.
    """
    deadline = time.monotonic() + timeout
    while left := [name for thing, name in _look().items() if thing not in before.held]:
        assert time.monotonic() < deadline, f"left behind: {', '.join(sorted(left))}"
        time.sleep(0.005)


def _warm_gevent_up() -> None:
    """Bring this thread's hub into being, so that its descriptors are in every snapshot."""
    if importlib.util.find_spec("gevent"):
        importlib.import_module("gevent").sleep(0)


def _look() -> dict[object, str]:
    held: dict[object, str] = {}
    for found in (_threads(), _greenlets(), _children(), _descriptors()):
        held.update(found)
    return held


def _threads() -> Iterator[tuple[object, str]]:
    """Threads that Python knows, and those of the system that it doesn't, such as libcurl's."""
    frames = sys._current_frames()
    known = set()
    for thread in threading.enumerate():
        known.add(thread.native_id)
        if not thread.name.startswith(THREAD_PREFIX) and not _resolves(thread, frames):
            yield ("thread", thread.ident), f"thread {thread.name}"
    if os.path.isdir(_TASKS):
        for task in os.listdir(_TASKS):
            if int(task) not in known:
                yield ("task", task), f"thread {task} of the system"


def _resolves(thread: threading.Thread, frames: dict) -> bool:
    frame = frames.get(thread.ident) if thread.daemon else None
    while frame is not None and frame.f_code.co_name != "getaddrinfo":
        frame = frame.f_back
    return frame is not None


def _greenlets() -> Iterator[tuple[object, str]]:
    if "greenlet" not in sys.modules:
        return
    kind = sys.modules["greenlet"].greenlet
    hub = getattr(sys.modules.get("gevent.hub"), "Hub", ())
    for one in gc.get_objects():
        # the greenlet that a thread begins with has no parent
        if isinstance(one, kind) and one and one.parent is not None and not isinstance(one, hub):
            yield ("greenlet", id(one)), f"greenlet {one!r}"


def _children() -> Iterator[tuple[object, str]]:
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            command = "(ended, not yet waited for)"
        if "multiprocessing.resource_tracker" not in command:
            yield ("child", child.pid), f"process {child.pid} {command[:100]}"


def _descriptors() -> Iterator[tuple[object, str]]:
    """Open files and sockets, by what they are, as a number is soon used again."""
    own = own_descriptors() | {_tracker_pipe()}
    times: Counter[str] = Counter()
    for descriptor, name in _open_linux() if os.path.isdir(_DESCRIPTORS) else _open_elsewhere():
        if descriptor not in own:
            times[name] += 1
            yield ("descriptor", name, times[name]), name


def _open_linux() -> Iterator[tuple[int, str]]:
    for entry in os.listdir(_DESCRIPTORS):
        try:
            yield int(entry), os.readlink(f"{_DESCRIPTORS}/{entry}")
        except FileNotFoundError:
            continue  # what the listing itself had open


def _open_elsewhere() -> Iterator[tuple[int, str]]:
    process = psutil.Process()
    yield from ((file.fd, file.path) for file in process.open_files())
    yield from ((one.fd, f"socket {one.laddr} to {one.raddr}") for one in process.net_connections())


def _tracker_pipe() -> int | None:
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    return None if tracker is None else tracker._resource_tracker._fd
