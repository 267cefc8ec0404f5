"""The engines by name. A module is imported when its engine is first asked for.

`processes+NAME` is the engine `processes` with an engine NAME in each of its workers.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
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
    "processes+curl": _BuiltIn(
        "pdl.engines.processes",
        "ProcessesEngine",
        ("pycurl",),
        "curl in a process for each CPU; so with any other",
    ),
    "gevent": _BuiltIn("pdl.engines.gevent", "GeventEngine", ("requests", "gevent"), "greenlets, nothing patched"),
    "curl": _BuiltIn(
        "pdl.engines.curl", "CurlEngine", ("pycurl",), "libcurl's event loop; HTTP/1.1, HTTP/2 and HTTP/3"
    ),
}
ALL = "all"
"""The name that stands for every engine that can be used, where several are asked for."""
DEFAULT_WORKER = "sequential"
"""The engine that workers of `processes` have unless another is asked for."""
_WITH_WORKERS = "processes"
_JOINT = "+"
_AUTO = ("curl", "threads", "sequential")  # in the order of preference
_COMPILED = frozenset({"pycurl"})
"""Libraries that may be installed and yet not be imported, as where the libcurl below has changed."""


class Choice(NamedTuple):
    """The engine that a name stands for here.

    Args:
        name: of the engine, never `auto`; with that of its workers' engine, unless they have the default one.
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
        _check_workers(name_of(engine), settings)
        return engine
    name, passed_over = choose(engine, settings.worker_engine)
    _check(name, settings, passed_over)
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
    _check(name, settings, None)
    _factory(name)


def _check(name: str, settings: Settings, passed_over: str | None) -> None:
    """Refuse what an engine cannot do: a version of HTTP that it does not speak, or to have workers."""
    if not has_workers(name):
        _check_workers(name, settings)
    carrier = _inner(name) or name
    if settings.http3 and carrier != "curl" and carrier in _BUILT_IN:
        reason = passed_over or f"the engine {name!r} speaks HTTP/1.1 only"
        raise SettingsError(f"http3 needs the engine 'curl'; {reason}")


def _check_workers(name: str, settings: Settings) -> None:
    """Refuse settings for workers of an engine that has none, or was made with its own."""
    for option in ("workers", "worker_engine"):
        if getattr(settings, option) is not None:
            raise SettingsError(f"{option} needs the engine {_WITH_WORKERS!r}, by its name; the engine is {name!r}")


def has_workers(name: str) -> bool:
    """Whether an engine divides its work among processes."""
    return name.partition(_JOINT)[0] == _WITH_WORKERS


def _inner(name: str) -> str | None:
    """The engine of an engine's workers; None if it has none, or they have the default one."""
    _, joint, inner = name.partition(_JOINT)
    return inner if joint and has_workers(name) else None


def name_of(engine: object, worker_engine: str | None = None) -> str:
    """What people call an engine that is given by name or as an instance, which may have a `name` of its own."""
    if isinstance(engine, str):
        return choose(engine, worker_engine).name
    return str(getattr(engine, "name", None) or type(engine).__name__)


def choose(engine: str, worker_engine: str | None = None) -> Choice:
    """The engine that a name stands for: for `auto` the best that is here, any other as it is.

    Args:
        engine: a name.
        worker_engine: the engine of its workers, if that is named apart.

    Raises:
        SettingsError: two engines are named for the workers.
    """
    if has_workers(engine):
        inner = _inner(engine)
        if inner is not None and worker_engine not in (None, inner):
            raise SettingsError(f"worker_engine is {worker_engine!r}, and the engine is {engine!r}")
        name, passed_over = choose(
            next(each for each in (worker_engine, inner, DEFAULT_WORKER) if each is not None)
        )
        return Choice(_WITH_WORKERS if name == DEFAULT_WORKER else f"{_WITH_WORKERS}{_JOINT}{name}", passed_over)
    if engine != "auto":
        return Choice(engine, None)
    passed_over = None
    for name in _AUTO:
        if (why := _missing(_BUILT_IN[name].needs)) is None:
            return Choice(name, passed_over)
        passed_over = passed_over or f"the engine {name!r} is {why}"
    return Choice(_AUTO[-1], passed_over)


def modules(name: str) -> list[str]:
    """What has to be imported for an engine, if it is built in."""
    return [_BUILT_IN[name].module] if name in _BUILT_IN else []


def _factory(name: str) -> Callable[[Settings], Engine]:
    if (inner := _inner(name)) is not None:
        if has_workers(inner):
            raise SettingsError(f"worker_engine cannot be {inner!r}: workers have no workers of their own")
        _factory(inner)
        make = _factory(_WITH_WORKERS)
        return lambda settings: make(replace(settings, engine=_WITH_WORKERS, worker_engine=inner))
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
