"""A fork server of our own: processes start in some milliseconds, with the driver loaded.

multiprocessing has one for the whole program, which is the user's: it keeps the environment of the time when it was
started, has loaded what they want, and runs to the program's end. Ours lives as long as its engine.

Its children do not import the script of the program, as nothing that they do needs it. So a script without a guard
works, what it imports costs nothing, and if it has gevent patch everything, that does not come after ssl is loaded.

What multiprocessing offers for this is not documented, and has been the same from Python 3.10 to 3.14.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Callable
from multiprocessing import forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.connection import wait
from multiprocessing.context import set_spawning_popen
from multiprocessing.process import BaseProcess
from typing import Any

from .undisturbed import undisturbed


class ForkingNursery:
    """A fork server, started ahead of its first process, and its processes.

    Args:
        preload: the modules that the server loads.
        name: what multiprocessing calls the processes.
    """

    advice = "another engine, such as threads, needs no processes"

    def __init__(self, preload: list[str], name: str) -> None:
        self._name = name
        self._server = _Server()
        self._server.set_forkserver_preload(preload)
        with contextlib.suppress(OSError), undisturbed():  # each start of a process tries again
            self._server.ensure_running()  # it loads while the job is being set up

    def process(self, target: Callable[..., None], args: tuple[Any, ...]) -> BaseProcess:
        return _Process(self._server, target, args, self._name)

    def close(self) -> None:
        self._server.stop()


class _Server(forkserver.ForkServer):
    _forkserver_pid: int | None

    def stop(self) -> None:
        """End it at once, whatever it is doing."""
        if self._forkserver_pid is None:
            return
        with contextlib.suppress(OSError):  # somebody has waited for all children, and so for this one
            os.kill(self._forkserver_pid, signal.SIGKILL)
            self._stop()  # type: ignore[attr-defined]  # typeshed leaves it out


class _Process(BaseProcess):
    """A process that is forked from a certain server."""

    _start_method = "forkserver"

    def __init__(self, server: _Server, target: Callable[..., None], args: tuple[Any, ...], name: str) -> None:
        super().__init__(target=target, args=args, name=name, daemon=True)
        self._server = server

    def _Popen(self, process: BaseProcess) -> _Launch:  # noqa: N802 - multiprocessing calls it so
        return _Launch(process, self._server)

    def __getstate__(self) -> dict[str, Any]:
        """What goes to the new process; the server stays here."""
        return {name: value for name, value in self.__dict__.items() if name != "_server"}


class _Launch(popen_forkserver.Popen):
    def __init__(self, process: BaseProcess, server: _Server) -> None:
        self._server = server
        self._fds: list[int] = []
        super().__init__(process)

    def _launch(self, process: BaseProcess) -> None:
        """As in the base class, from our own server, and without the script of the program."""
        preparation = spawn.get_preparation_data(process.name)
        for name in ("init_main_from_name", "init_main_from_path"):
            preparation.pop(name, None)
        message = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(preparation, message)
            reduction.dump(process, message)
        finally:
            set_spawning_popen(None)
        self.sentinel, data = self._server.connect_to_new_process(self._fds)
        # the second descriptor tells the child, as long as it is open, that this process lives
        self.finalizer = util.Finalize(self, _close, (os.dup(data), self.sentinel))
        with open(data, "wb") as file:
            file.write(message.getbuffer())
        # where gevent has patched everything others go on meanwhile, and its loop closes what os.close left to it:
        # our copy of the pipe's other end, without which there is no end of file if the server dies right now
        wait([self.sentinel])
        self.pid = forkserver.read_signed(self.sentinel)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
