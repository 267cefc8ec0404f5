"""The library: options in, results out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from os import PathLike
from types import TracebackType
from typing import Any

from .errors import SettingsError, SourceError
from .model import Download, Engine, Result
from .progress import Reporter
from .run import Run
from .settings import settings_from
from .sources import open_source
from .summary import Summary

Urls = Iterable[Any] | str | PathLike[str] | None
"""URLs, list lines or `Download`s; or a path, `-` or a URL, as on the command line."""


class Downloads:
    """The results of a run as they come: an iterator, and a context manager that ends the run.

    It may be advanced from different threads, one at a time. Leaving the `with` block, or `close()`, stops what is
    under way within two seconds and keeps its part files; a loop that is left by `break` alone does not. `close()`
    may be called while another thread advances it, which then comes to its end.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._results = run.results()
        self._turn = threading.Lock()
        self._closing = False
        self._advancing: int | None = None  # the thread that is inside the run

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        if not self._turn.acquire(blocking=False):
            if self._closing:
                raise StopIteration
            raise RuntimeError("these downloads are being advanced or closed by somebody else right now")
        self._advancing = threading.get_ident()
        try:
            return next(self._results)
        finally:
            self._advancing = None
            self._turn.release()

    def __enter__(self) -> Downloads:  # noqa: PYI034 - Self needs Python 3.11, and nothing derives from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the run; again does nothing.

        Called from within the run (by a reporter, or another greenlet of its thread) it only asks for the end.

        Raises:
            DestinationError, OSError: what had come could not be written down at the end.
        """
        self._closing = True
        self._run.stop()
        if self._advancing == threading.get_ident():
            return
        with self._turn:
            self._run.close()
            self._results.close()  # type: ignore[attr-defined]  # it is a generator
            self._run.raise_for_losses()

    def __del__(self) -> None:
        # a generator that was never advanced does not run its own end
        if getattr(self, "_turn", None) is not None and not self._turn.locked():
            self._run.close()

    @property
    def summary(self) -> Summary:
        """The account so far; final once the run has ended."""
        return self._run.summary


def iter_downloads(
    urls: Urls,
    dest: str | PathLike[str] = ".",
    *,
    engine: str | Engine = "auto",
    jobs: int = 16,
    progress: bool | Reporter = False,
    **settings: Any,
) -> Downloads:
    """Download, giving each `Result` as it comes, in the order of completion.

    A failed URL is a `Result` with the status `failed`, not an exception.

    Args:
        urls: what to fetch, endless generators included; None takes what the ledger knows, for `retry_failed` and
            `update`.
        dest: the folder that receives the files.
        engine: `auto`, a name that `pdl --list-engines` shows, or an engine.
        jobs: attempts at once.
        progress: show it on standard error, or tell it to a reporter.
        settings: further fields of `pdl.Settings`.

    Raises:
        SettingsError: an option that makes no sense, an unknown engine, one that is not installed.
        SourceError: the list cannot be opened.
        DestinationError: the destination cannot be used, or another run holds it.
    """
    checked = settings_from({"dest": dest, "engine": engine, "jobs": jobs, **settings})
    source = None if urls is None else open_source(urls)
    try:
        return Downloads(Run(source, checked, _reporter(progress)))
    except BaseException:
        if source is not None:
            source.close()
        raise


def _reporter(progress: bool | Reporter) -> Reporter:
    from .progress import Silent, reporter_for  # noqa: PLC0415 - drawing is for those who ask for it

    if isinstance(progress, bool):
        return reporter_for() if progress else Silent()
    if not (callable(getattr(progress, "on", None)) and callable(getattr(progress, "close", None))):
        raise SettingsError(f"progress is True, False or a reporter, not {progress!r}")
    return progress


def download_all(
    urls: Urls,
    dest: str | PathLike[str] = ".",
    *,
    engine: str | Engine = "auto",
    jobs: int = 16,
    progress: bool | Reporter = False,
    **settings: Any,
) -> Summary:
    """Download everything and give the account of it; memory stays constant, whatever the list's length.

    Args and errors are those of `iter_downloads`, and those of the run itself: `EngineError`, `DestinationError`,
    `SourceError`.
    """
    with iter_downloads(urls, dest, engine=engine, jobs=jobs, progress=progress, **settings) as downloads:
        for _ in downloads:
            pass
    return downloads.summary


def download(
    url: str | Download,
    dest: str | PathLike[str] = ".",
    *,
    engine: str | Engine = "auto",
    progress: bool | Reporter = False,
    **settings: Any,
) -> Result:
    """Download one file. Args and errors are those of `iter_downloads`."""
    with iter_downloads([url], dest, engine=engine, progress=progress, **settings) as downloads:
        result = next(downloads, None)
    if result is None:
        raise SourceError(f"{url!r} is no URL")
    return result
