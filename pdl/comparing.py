"""The engines compared, from Python."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from os import PathLike
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .api import Urls
from .errors import SettingsError, SourceError
from .progress import Silent
from .settings import settings_from
from .sources import open_source

if TYPE_CHECKING:
    from .report.comparison import Comparison
    from .report.plan import Plan


def compare(  # noqa: PLR0913 - options by their names, as in iter_downloads
    urls: Urls,
    dest: str | PathLike[str] | None = None,
    *,
    engines: Iterable[str] = (),
    jobs: Iterable[int] | int = 16,
    rounds: int = 5,
    sample: int | None = None,
    progress: bool = False,
    **settings: Any,
) -> Comparison:
    """Compare engines on one list; each measurement is a run in a process of its own.

    Every engine fetches the whole list `rounds` times, and once more to warm up.

    Args:
        urls: what to fetch; a generator is read to its end first.
        dest: the folder that receives the files, once; without one they are dropped.
        engines: names of engines; none, or `all`, are all that are installed.
        jobs: attempts at once; several numbers are compared as well.
        rounds: that are measured.
        sample: entries to take of a long list, from every host in proportion; then no file is kept.
        progress: show it on standard error.
        settings: further fields of `pdl.Settings`, for all engines alike.

    Raises:
        SettingsError: an option that makes no sense, an unknown engine, or one that can't be used.
        SourceError: the list cannot be read, or is empty.
        DestinationError: the destination cannot be used, another run holds it, or its disk is full.
    """
    from .report.contestants import field  # noqa: PLC0415 - needs what costs those time who only download
    from .report.plan import Plan  # noqa: PLC0415 - see above

    names, numbers = _listed("engines", engines, str), _listed("jobs", jobs, int)
    if "engine" in settings:
        raise SettingsError("a comparison takes engines=[...], and no engine")
    if urls is None:
        raise SourceError("a comparison needs a list; it takes nothing from the ledger")
    if not numbers:
        raise SettingsError("jobs takes a number, or several")
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="pdl-comparison-")) if dest is None else dest
        checked = settings_from({"dest": folder, "jobs": numbers[0], **settings})
        plan = Plan(checked, field(names, numbers, checked), rounds, sample, publishes=dest is not None)
        return _carry_out(plan, urls, progress=progress)


def _listed(name: str, given: Any, kind: type) -> list[Any]:
    """One value or several, as a list."""
    try:
        return [given] if isinstance(given, kind) else list(given)
    except TypeError:
        raise SettingsError(f"{name} takes one or several, not {given!r}") from None


def _carry_out(plan: Plan, urls: Urls, *, progress: bool) -> Comparison:
    from .report.compare import Comparer  # noqa: PLC0415 - see compare
    from .report.telling import Telling  # noqa: PLC0415 - see compare

    telling = Telling(shown=progress)
    comparer = Comparer(open_source(urls), plan, telling)
    try:
        try:
            comparer.prepare()
            comparer.measure()
        finally:
            telling.close()
        if comparer.may_publish:
            for _ in (run := comparer.publication(Silent())).results():
                pass
            run.raise_for_losses()
        return comparer.comparison()
    finally:
        comparer.close()
