"""An engine of one's own, as CONTRIBUTING.md describes it: the smallest that does everything."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

import pdl
from pdl import engines
from pdl.http.fault import TransferError
from pdl.http.head import response_head
from pdl.http.transfer import Transfer
from pdl.model import Attempt, Event, Finished
from pdl.settings import Settings

FILES = {"http://memory.test/a.txt": b"the first", "http://memory.test/b.txt": b"the second"}


class MemoryEngine:
    """Serves URLs from a dictionary; what HTTP means is the business of `Transfer` here as well."""

    capacity = 4

    def __init__(self, settings: Settings | None = None, files: dict[str, bytes] = FILES) -> None:
        self._settings = settings or Settings()
        self._files = files
        self._started: deque[Attempt] = deque()
        self._stopped: list[Event] = []

    def start(self, attempt: Attempt) -> None:
        self._started.append(attempt)

    def wait(self, timeout: float) -> list[Event]:
        events, self._stopped = self._stopped, []
        events += [self._carried(attempt) for attempt in self._taken()]
        if not events:
            time.sleep(timeout)  # nothing is under way, so nothing can come
        return events

    def close(self) -> None:
        for attempt in self._taken():
            transfer = Transfer(attempt, self._settings)
            transfer.on_stop()
            assert transfer.outcome is not None
            self._stopped.append(Finished(attempt.id, transfer.outcome))

    def _taken(self) -> Iterator[Attempt]:
        while self._started:
            yield self._started.popleft()

    def _carried(self, attempt: Attempt) -> Finished:
        transfer = Transfer(attempt, self._settings)
        try:
            body = self._files.get(transfer.request().url)
            status = (200, "OK") if body is not None else (404, "Not Found")
            head = response_head("1.1", *status, (("Content-Length", str(len(body or b""))),))
            if transfer.on_head(head):
                transfer.on_data(body or b"")
                transfer.on_end()
        except TransferError as fault:
            transfer.on_error(fault)
        assert transfer.outcome is not None
        return Finished(attempt.id, transfer.outcome)


def test_an_instance_of_an_engine_carries_a_run(tmp_path: Path) -> None:
    summary = pdl.download_all(FILES, tmp_path, engine=MemoryEngine())
    assert (summary.done, summary.failed) == (2, 0)
    assert (tmp_path / "a.txt").read_bytes() == b"the first"
    assert (tmp_path / "b.txt").read_bytes() == b"the second"


def test_failures_of_an_own_engine_are_called_like_all_others(tmp_path: Path) -> None:
    result = pdl.download("http://memory.test/missing.txt", tmp_path, engine=MemoryEngine())
    assert (result.status, result.kind, result.http_status) == ("failed", pdl.Kind.HTTP, 404)


def test_an_engine_that_measures_nothing_may_be_asked_to(tmp_path: Path) -> None:
    result = pdl.download("http://memory.test/a.txt", tmp_path, engine=MemoryEngine(), timings=True)
    assert (result.status, result.timings) == ("done", None)


def test_a_run_that_is_closed_early_is_completed_by_the_next(tmp_path: Path) -> None:
    with pdl.iter_downloads(FILES, tmp_path, engine=MemoryEngine(), jobs=1) as downloads:
        first = next(downloads)
    assert (downloads.summary.done, downloads.summary.left) == (1, 1)
    again = pdl.download_all(FILES, tmp_path, engine=MemoryEngine())
    assert (again.done, again.skipped_by_reason) == (1, {"done": 1})
    assert first.path == "a.txt"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package that offers engines: one that works, one whose module is missing."""
    package = tmp_path / "site" / "memory_engine-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: memory-engine\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        f"[{engines.GROUP}]\nmemory = {__name__}:MemoryEngine\nbroken = no_such_module:Engine\n"
        f"threads = no_such_module:Engine\n"
    )
    monkeypatch.syspath_prepend(package.parent)


@pytest.mark.usefixtures("installed")
def test_an_engine_of_another_package_is_used_by_its_name(tmp_path: Path) -> None:
    summary = pdl.download_all(FILES, tmp_path / "files", engine="memory")
    assert summary.done == 2
    assert engines.available()["memory"] is None
    assert "MemoryEngine" in engines.about("memory")


@pytest.mark.usefixtures("installed")
def test_an_engine_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    assert "no_such_module" in str(engines.available()["broken"])
    with pytest.raises(pdl.EngineNotInstalledError, match="no_such_module"):
        pdl.download_all(FILES, tmp_path / "files", engine="broken")


@pytest.mark.usefixtures("installed")
def test_no_other_package_takes_the_name_of_a_built_in_engine() -> None:
    assert engines.available()["threads"] is None
    assert engines.names().count("threads") == 1


def test_what_is_no_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pdl.UnknownEngineError, match="neither the name of an engine nor an engine"):
        pdl.download_all(FILES, tmp_path, engine=object())  # type: ignore[arg-type]  # that is the test
