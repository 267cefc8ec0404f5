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
from pdl.errors import EngineNotInstalledError, SettingsError, UnknownEngineError
from pdl.settings import Settings

BUILT_IN = ["sequential", "threads", "gevent"]


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
    assert engines.names()[:3] == BUILT_IN
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
    assert str(raised.value).startswith(
        f"there is no engine {name!r}; there are: auto, sequential, threads, gevent"
    )
    assert isinstance(raised.value, SettingsError)


def test_an_engine_without_its_library_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "gevent")
    with pytest.raises(EngineNotInstalledError) as raised:
        engines.create("gevent", Settings())
    assert str(raised.value) == "the engine 'gevent' is not installed; this does it: pip install gevent"
    assert engines.available()["gevent"] == "not installed; this does it: pip install gevent"
    assert engines.available()["threads"] is None


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "gevent", "requests")
    assert engines.available()["gevent"] == "not installed; this does it: pip install requests gevent"
    with pytest.raises(EngineNotInstalledError):
        engines.create("auto", Settings())


def test_what_is_missing_is_found_out_without_an_import(monkeypatch: pytest.MonkeyPatch):
    def forbidden(name: str, *_: object) -> None:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(importlib, "import_module", forbidden)
    assert all(reason is None for name, reason in engines.available().items() if name in BUILT_IN)


# auto


def test_auto_is_the_best_that_can_be_used(monkeypatch: pytest.MonkeyPatch):
    assert engines.resolve_auto("auto") == "threads"
    assert engines.resolve_auto("gevent") == "gevent"
    assert engines.resolve_auto("nonsense") == "nonsense"
    engine = engines.create("auto", Settings())
    assert type(engine).__name__ == "ThreadsEngine"
    engine.close()


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
