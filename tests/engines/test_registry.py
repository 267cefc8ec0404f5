"""Engines by name: imported when they are first asked for, and two different messages for what is not there."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from pdl import engines
from pdl.cli import main
from pdl.errors import EngineNotInstalledError, SettingsError, UnknownEngineError
from pdl.settings import Settings

BUILT_IN = ["sequential", "threads", "processes", "processes+curl", "gevent", "curl"]


def without(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    """Make it seem that these are not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name in libraries else find_spec(name, *args)
    )


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Engines from other packages: one that works, three that do not."""
    (tmp_path / "engines_of_others.py").write_text(
        "from pdl.errors import SettingsError\n"
        "class Mine:\n"
        "    capacity = 1\n"
        "    def __init__(self, settings):\n"
        "        self.settings = settings\n"
        "def __getattr__(name):\n"
        "    if name == 'refused':\n"
        "        raise SettingsError('not on this machine')\n"
        "    raise AttributeError(name)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        EntryPoint(name, value, engines.GROUP)
        for name, value in {
            "mine": "engines_of_others:Mine",
            "lacking": "no_such_module_anywhere:Engine",
            "renamed": "engines_of_others:Other",
            "refused": "engines_of_others:refused",
            "threads": "engines_of_others:Mine",
        }.items()
    ]

    def entry_points(**chosen: Any) -> list[EntryPoint]:
        assert chosen == {"group": engines.GROUP}
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


# names


def test_the_built_in_engines_are_known_by_name():
    assert engines.names()[: len(BUILT_IN)] == BUILT_IN
    assert set(engines.available()) == set(engines.names())
    assert all(engines.about(name) for name in engines.names())


def test_every_engine_that_can_be_used_is_made_by_its_name_and_has_a_capacity(engine_name):
    engine = engines.create(engine_name, Settings(jobs=3))
    try:
        assert 1 <= engine.capacity <= 3
    finally:
        engine.close()


@pytest.mark.parametrize("name", ["", "thread", "Threads", "threads ", "pdl.engines.threads"])
def test_an_unknown_name_is_told_with_those_that_there_are(name: str):
    with pytest.raises(UnknownEngineError) as raised:
        engines.create(name, Settings())
    assert str(raised.value).startswith(f"there is no engine {name!r}; there are: auto, {', '.join(BUILT_IN)}")
    assert isinstance(raised.value, SettingsError)


def test_an_engine_without_its_library_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "gevent")
    with pytest.raises(EngineNotInstalledError) as raised:
        engines.create("gevent", Settings())
    assert str(raised.value) == "the engine 'gevent' is not installed; this does it: pip install gevent"
    assert engines.available()["gevent"] == "not installed; this does it: pip install gevent"
    assert engines.available()["threads"] is None


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "gevent", "pycurl", "requests")
    assert engines.available()["gevent"] == "not installed; this does it: pip install requests gevent"
    with pytest.raises(EngineNotInstalledError):
        engines.create("auto", Settings())


def test_of_what_is_there_only_compiled_libraries_are_imported_to_find_out(monkeypatch: pytest.MonkeyPatch):
    imported = []
    monkeypatch.setattr(importlib, "import_module", imported.append)
    assert all(reason is None for name, reason in engines.available().items() if name in BUILT_IN)
    assert set(imported) == {"pycurl"}


# auto


def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pycurl be installed and yet not be imported."""
    import_module = importlib.import_module

    def broken(name: str, *args: Any) -> Any:
        if name == "pycurl":
            raise ImportError("libcurl link-time version is older than compile-time version")
        return import_module(name, *args)

    monkeypatch.setattr(importlib, "import_module", broken)


def test_auto_is_the_best_that_can_be_used():
    assert engines.choose("auto") == ("curl", None)
    assert engines.choose("gevent") == ("gevent", None)
    assert engines.choose("nonsense") == ("nonsense", None)
    engine = engines.create("auto", Settings())
    assert type(engine).__name__ == "CurlEngine"
    engine.close()


def test_auto_passes_over_what_is_not_installed_and_tells_why(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "pycurl")
    why = "the engine 'curl' is not installed; this does it: pip install pycurl"
    assert engines.choose("auto") == ("threads", why)
    without(monkeypatch, "pycurl", "requests")
    assert engines.choose("auto") == ("sequential", why)  # whose error says what is missing


def test_auto_passes_over_what_is_broken_and_tells_why(monkeypatch: pytest.MonkeyPatch):
    breaking(monkeypatch)
    name, why = engines.choose("auto")
    assert name == "threads"
    assert why == (
        "the engine 'curl' is broken: libcurl link-time version is older than compile-time version; "
        "this mends it: pip install --force-reinstall pycurl"
    )
    with pytest.raises(EngineNotInstalledError) as raised:
        engines.create("curl", Settings())
    assert str(raised.value) == why


def test_that_auto_passed_something_over_is_told_to_those_who_want_to_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    breaking(monkeypatch)
    lines = {}
    for options in ([], ["-v"]):
        with pytest.raises(SystemExit):
            main(["file:///etc/passwd", "-d", str(tmp_path), *options])
        lines[len(options)] = [line for line in capsys.readouterr().err.splitlines() if "'curl'" in line]
    assert lines[0] == []
    assert len(lines[1]) == 1
    assert lines[1][0].endswith("; 'threads' takes its place")


# workers


@pytest.mark.parametrize(
    ("engine", "worker_engine", "name"),
    [
        ("processes", None, "processes"),
        ("processes", "sequential", "processes"),
        ("processes+sequential", None, "processes"),
        ("processes", "curl", "processes+curl"),
        ("processes+curl", "curl", "processes+curl"),
        ("processes+threads", None, "processes+threads"),
        ("processes", "auto", "processes+curl"),
        ("processes+auto", None, "processes+curl"),
    ],
)
def test_an_engine_of_workers_is_named_with_theirs_or_apart(engine: str, worker_engine: str | None, name: str):
    assert engines.choose(engine, worker_engine).name == engines.name_of(engine, worker_engine) == name
    engines.check(name, Settings())


def test_auto_in_workers_passes_over_what_is_not_installed_and_tells_why(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "pycurl")
    why = "the engine 'curl' is not installed; this does it: pip install pycurl"
    assert engines.choose("processes", "auto") == ("processes+threads", why)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"engine": "curl", "workers": 2},
            "workers needs the engine 'processes', by its name; the engine is 'curl'",
        ),
        ({"engine": "auto", "worker_engine": "curl"}, "worker_engine needs the engine 'processes'"),
        ({"engine": "processes+curl", "worker_engine": "gevent"}, "worker_engine is 'gevent', and the engine is"),
        (
            {"engine": "processes", "worker_engine": "nope"},
            "there is no engine 'nope'; there are: auto, sequential",
        ),
        ({"engine": "processes+"}, "there is no engine ''"),
        ({"engine": "processes", "worker_engine": "processes"}, "worker_engine cannot be 'processes'"),
        ({"engine": "processes+processes+curl"}, "worker_engine cannot be 'processes+curl'"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_anything_starts(options: dict[str, Any], told: str):
    settings = Settings(**options)
    with pytest.raises(SettingsError) as raised:
        engines.create(settings.engine, settings)
    assert told in str(raised.value)


def test_an_engine_that_was_made_elsewhere_takes_no_settings_for_workers():
    with pytest.raises(
        SettingsError, match="workers needs the engine 'processes', by its name; the engine is 'Whole'"
    ):
        engines.create(Whole(), Settings(workers=2))


def test_an_engine_of_workers_without_its_library_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "gevent", "pycurl")
    with pytest.raises(EngineNotInstalledError) as raised:
        engines.create("processes", Settings(worker_engine="gevent"))
    assert str(raised.value) == "the engine 'gevent' is not installed; this does it: pip install gevent"
    assert engines.available()["processes+curl"] == "not installed; this does it: pip install pycurl"


# what one engine alone can do


@pytest.mark.parametrize("name", [*(name for name in BUILT_IN if "curl" not in name), "processes+threads"])
def test_http3_is_refused_by_engines_that_do_not_speak_it(name: str):
    with pytest.raises(SettingsError) as raised:
        engines.create(name, Settings(http3=True))
    assert str(raised.value) == f"http3 needs the engine 'curl'; the engine {name!r} speaks HTTP/1.1 only"


def test_http3_is_spoken_by_workers_with_an_engine_that_speaks_it():
    engines.check("processes+curl", Settings(http3=True))


def test_http3_is_refused_where_auto_cannot_be_the_engine_that_speaks_it(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "pycurl")
    with pytest.raises(SettingsError, match="http3 needs the engine 'curl'; the engine 'curl' is not installed"):
        engines.create("auto", Settings(http3=True))


# instances


class Whole:
    capacity = 1

    def start(self, attempt: object) -> None: ...
    def wait(self, timeout: float) -> list[object]: ...
    def close(self) -> None: ...


def test_an_engine_that_was_made_elsewhere_is_used_as_it_is():
    engine = Whole()
    assert engines.create(engine, Settings()) is engine


@pytest.mark.parametrize("thing", [None, 5, object(), ["threads"], b"threads"])
def test_what_is_no_engine_is_refused(thing: object):
    with pytest.raises(UnknownEngineError, match="is neither the name of an engine nor an engine"):
        engines.create(thing, Settings())


# other packages


def test_an_engine_of_another_package_is_found_by_its_entry_point(others: None):
    assert engines.names() == [*BUILT_IN, "lacking", "mine", "refused", "renamed"]
    settings = Settings(jobs=7)
    engine = engines.create("mine", settings)
    assert (type(engine).__name__, engine.settings) == ("Mine", settings)
    assert engines.about("mine") == "from engines_of_others:Mine"


def test_no_other_package_takes_the_place_of_a_built_in_engine(others: None):
    engine = engines.create("threads", Settings())
    assert type(engine).__module__ == "pdl.engines.threads"
    engine.close()


@pytest.mark.parametrize("name", ["lacking", "renamed"])
def test_an_engine_of_another_package_that_cannot_be_imported_is_told_so(others: None, name: str):
    with pytest.raises(EngineNotInstalledError, match=rf"the engine '{name}' \(.*\) cannot be imported: "):
        engines.create(name, Settings())
    assert "cannot be imported" in engines.available()[name]
    assert engines.available()["mine"] is None


def test_an_engine_of_another_package_may_say_itself_why_it_cannot_be_used(others: None):
    with pytest.raises(SettingsError, match="not on this machine"):
        engines.create("refused", Settings())
