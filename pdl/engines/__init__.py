"""The engines by name. A module is imported when its engine is first asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pdl.errors import EngineNotInstalledError, PdlError, SettingsError, UnknownEngineError
from pdl.model import Engine
from pdl.settings import Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "pdl.engines"
"""Entry points of this group are engines from other packages: a callable that takes `Settings`."""


class _BuiltIn(NamedTuple):
    module: str
    factory: str
    needs: tuple[str, ...]  # libraries, by the name under which they are imported
    about: str


_BUILT_IN = {
    "sequential": _BuiltIn("pdl.engines.sequential", "SequentialEngine", ("requests",), "one after another"),
    "threads": _BuiltIn("pdl.engines.threads", "ThreadsEngine", ("requests",), "a pool of threads"),
    "processes": _BuiltIn(
        "pdl.engines.processes", "ProcessesEngine", ("requests",), "a process for each download at once"
    ),
    "gevent": _BuiltIn("pdl.engines.gevent", "GeventEngine", ("requests", "gevent"), "greenlets, nothing patched"),
    "curl": _BuiltIn(
        "pdl.engines.curl", "CurlEngine", ("pycurl",), "libcurl's event loop; HTTP/1.1, HTTP/2 and HTTP/3"
    ),
}
ALL = "all"
"""The name that stands for every engine that can be used, where several are asked for."""
_AUTO = ("curl", "threads", "sequential")  # in the order of preference
_COMPILED = frozenset({"pycurl"})
"""Libraries that may be installed and yet not be imported, as where the libcurl below has changed."""


class Choice(NamedTuple):
    """The engine that a name stands for here.

    Args:
        name: of the engine, never `auto`.
        passed_over: why it is not the one that `auto` prefers, in a sentence; None if it is, or was asked for.
    """

    name: str
    passed_over: str | None


def _others() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes 25 ms, and few look beyond the built-in ones

    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _BUILT_IN}


def names() -> list[str]:
    """All registered engines, installed or not."""
    return [*_BUILT_IN, *sorted(_others())]


def available() -> dict[str, str | None]:
    """Every engine, with None or the reason why it can't be used here."""
    found: dict[str, str | None] = {name: _missing(entry.needs) for name, entry in _BUILT_IN.items()}
    for name, point in sorted(_others().items()):
        try:
            point.load()
            found[name] = None
        except Exception as error:  # another package's import may fail in any way
            found[name] = f"{point.value} cannot be imported: {error}"
    return found


def about(name: str) -> str:
    """A few words on an engine."""
    entry = _BUILT_IN.get(name)
    return entry.about if entry else f"from {_others()[name].value}"


def _missing(needs: tuple[str, ...]) -> str | None:
    missing = [library for library in needs if importlib.util.find_spec(library) is None]
    if missing:
        return f"not installed; this does it: pip install {' '.join(missing)}"
    for library in _COMPILED.intersection(needs):
        try:
            importlib.import_module(library)
        except ImportError as error:
            return f"broken: {error}; this mends it: pip install --force-reinstall {library}"
    return None


def create(engine: str | Engine, settings: Settings, tell: Callable[[str], object] | None = None) -> Engine:
    """An engine by its name, or the given one.

    Args:
        engine: a name, `auto` or an engine.
        settings: of the job.
        tell: is told, in a sentence, what `auto` had to pass over.

    Raises:
        UnknownEngineError: no engine has that name.
        EngineNotInstalledError: its library is not installed.
        SettingsError: the engine cannot do what is asked of it.
    """
    if not isinstance(engine, str):
        complete = all(callable(getattr(engine, method, None)) for method in ("start", "wait", "close"))
        if not complete or isinstance(engine, type) or not isinstance(getattr(engine, "capacity", None), int):
            raise UnknownEngineError(f"{engine!r} is neither the name of an engine nor an engine")
        return engine
    name, passed_over = choose(engine)
    _check_version(name, settings, passed_over)
    if passed_over is not None and tell is not None:
        tell(f"{passed_over}; {name!r} takes its place")
    return _factory(name)(settings)


def check(name: str, settings: Settings) -> None:
    """Find out whether an engine can be used.

    Args:
        name: of the engine; not `auto`.
        settings: of the job.

    Raises:
        SettingsError: it can't, see `create`.
    """
    _check_version(name, settings, None)
    _factory(name)


def _check_version(name: str, settings: Settings, passed_over: str | None) -> None:
    """Refuse engines that lack a version of HTTP that is asked for."""
    if settings.http3 and name != "curl" and name in _BUILT_IN:
        reason = passed_over or f"the engine {name!r} speaks HTTP/1.1 only"
        raise SettingsError(f"http3 needs the engine 'curl'; {reason}")


def name_of(engine: object) -> str:
    """What people call an engine that is given by name or as an instance, which may have a `name` of its own."""
    if isinstance(engine, str):
        return choose(engine).name
    return str(getattr(engine, "name", None) or type(engine).__name__)


def choose(engine: str) -> Choice:
    """The engine that `auto` stands for here; any other name as it is."""
    if engine != "auto":
        return Choice(engine, None)
    passed_over = None
    for name in _AUTO:
        if (why := _missing(_BUILT_IN[name].needs)) is None:
            return Choice(name, passed_over)
        passed_over = passed_over or f"the engine {name!r} is {why}"
    return Choice(_AUTO[-1], passed_over)


def _factory(name: str) -> Callable[[Settings], Engine]:
    if (entry := _BUILT_IN.get(name)) is not None:
        if (why := _missing(entry.needs)) is not None:
            raise EngineNotInstalledError(f"the engine {name!r} is {why}")
        factory: Callable[[Settings], Engine] = getattr(importlib.import_module(entry.module), entry.factory)
        return factory
    if (point := _others().get(name)) is None:
        raise UnknownEngineError(f"there is no engine {name!r}; there are: auto, {', '.join(names())}")
    try:
        loaded: Callable[[Settings], Engine] = point.load()
    except PdlError:
        raise
    except Exception as error:  # another package's import may fail in any way
        raise EngineNotInstalledError(f"the engine {name!r} ({point.value}) cannot be imported: {error}") from error
    return loaded
