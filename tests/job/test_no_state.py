"""Runs that keep no account: --no-state."""

from __future__ import annotations

import gc
import os
import sqlite3
from pathlib import Path

import pytest
from accounts import expected, files_in, parts_in
from faultserver import FaultServer, run_pdl
from stopping import stop_when_bytes_have_come

import pdl
from pdl.storage.transient import TransientLedger

LARGE = "/drip/large?size=2000000&piece=50000&interval=0.02"


def test_everything_is_as_with_an_account_but_that_none_is_left(engine_name, server: FaultServer, tmp_path: Path):
    targets = ["/file/a", "/file/b", "/cut/c?times=1"]
    urls = [server.url(target) for target in [*targets, "/file/a", "/status/404"]] + ["nonsense"]
    summary = pdl.download_all(urls, tmp_path, engine=engine_name, no_state=True, retry_delay=0.01, retries=1)
    assert (summary.done, summary.skipped_by_reason, summary.left) == (3, {"duplicate": 1}, 0)
    assert summary.failed_by_kind == {"http 404": 1, "input": 1}
    assert [(each.index, each.kind) for each in summary.failures] == [(5, "http"), (6, "input")]
    assert len(summary.failures) == 2
    assert files_in(tmp_path) == expected(server, targets)
    first, second = [record.header("range") for record in server.requests if record.target == targets[2]]
    assert (first, second is not None) == (None, True)  # within the run it is continued
    assert sorted(os.listdir(tmp_path / ".pdl")) == [".gitignore", "lock", "parts"]
    assert parts_in(tmp_path) == []


def test_a_later_run_knows_nothing(engine_name, server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/a"), server.url("/file/b")]
    for options in ({"no_state": True}, {"no_state": True}, {}):
        summary = pdl.download_all(urls, tmp_path, engine=engine_name, **options)
        if server.requests:
            assert summary.done == 2
        else:
            assert summary.skipped_by_reason == {"exists": 2}
        server.clear()


def test_failures_are_told_as_long_as_somebody_has_them(server: FaultServer, tmp_path: Path):
    failures = pdl.download_all([server.url("/status/404")], tmp_path, no_state=True).failures
    gc.collect()
    assert [each.http_status for each in failures] == [404]
    assert [each.http_status for each in failures] == [404]


def test_an_account_of_other_runs_stays_with_its_parts(engine_name, server: FaultServer, tmp_path: Path):
    stop_when_bytes_have_come(server.url(LARGE), tmp_path, engine=engine_name)
    (part,) = parts_in(tmp_path)
    before = (tmp_path / ".pdl" / "ledger.sqlite3").read_bytes()
    assert pdl.download(server.url("/file/a"), tmp_path, engine=engine_name, no_state=True).status == "done"
    assert (tmp_path / ".pdl" / "ledger.sqlite3").read_bytes() == before
    assert parts_in(tmp_path) == [part]
    server.clear()
    assert pdl.download(server.url(LARGE), tmp_path, engine=engine_name).status == "done"
    assert server.requests[0].header("range") is not None
    assert files_in(tmp_path) == expected(server, ["/file/a", LARGE])


def test_what_was_under_way_is_dropped_when_the_run_is_stopped(engine_name, server: FaultServer, tmp_path: Path):
    stop_when_bytes_have_come(server.url(LARGE), tmp_path, engine=engine_name, no_state=True)
    assert files_in(tmp_path) == {}
    assert parts_in(tmp_path) == []


@pytest.mark.parametrize("no_state", [False, True])
def test_what_a_kill_has_left_is_removed_by_the_next_run(no_state: bool, server: FaultServer, tmp_path: Path):
    pdl.download(server.url("/file/a"), tmp_path)
    left = tmp_path / ".pdl" / "parts" / "t12.part"
    left.write_bytes(b"x")
    os.link(left, tmp_path / "published")  # killed between the file's name and the part's end
    pdl.download(server.url("/file/b"), tmp_path, no_state=no_state)
    assert parts_in(tmp_path) == []
    assert (tmp_path / "published").read_bytes() == b"x"


def test_two_runs_cannot_share_a_destination(server: FaultServer, tmp_path: Path):
    target = "/stall/before-head/x"
    with (
        pdl.iter_downloads([server.url(target)], tmp_path, no_state=True),
        pytest.raises(pdl.DestinationError, match=rf"another run \(process {os.getpid()}\)"),
    ):
        pdl.download_all([server.url("/file/a")], tmp_path, no_state=True)
    server.release(target)


@pytest.mark.parametrize(
    "other", [{"state_dir": "x"}, {"update": True}, {"verify": True}, {"retry_failed": "all"}, {"digest": "md5"}]
)
def test_what_is_about_the_account_is_refused_without_one(other: dict[str, object]):
    with pytest.raises(pdl.SettingsError, match="no_state keeps no ledger"):
        pdl.Settings(no_state=True, **other)


@pytest.mark.parametrize("look", [("--status",), ("--export", "x.csv")])
def test_nothing_is_to_be_seen_without_an_account(look: tuple[str, ...], tmp_path: Path):
    run = run_pdl(*look, "--no-state", "-d", tmp_path)
    assert run.returncode == 2
    assert "--no-state keeps none" in run.stderr


def test_a_full_folder_for_temporary_files_stops_the_run_as_full(server: FaultServer, tmp_path: Path, monkeypatch):
    opened = TransientLedger._open

    def open_small(ledger: TransientLedger) -> sqlite3.Connection:
        connection = opened(ledger)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    monkeypatch.setattr(TransientLedger, "_open", open_small)
    urls = (server.url(f"/status/404?{number}") for number in range(20_000))
    summary = pdl.download_all(urls, tmp_path, no_state=True, retries=0)
    assert summary.stopped == "disk-full"
    assert summary.done + summary.skipped + summary.failed + summary.left == summary.read < 20_000
    assert len(summary.failures) <= summary.failed
