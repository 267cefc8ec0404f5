"""The account and the lock in a folder elsewhere: --state-dir."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from accounts import expected, files_in
from faultserver import FaultServer, run_pdl

import pdl
from pdl.storage.exclusive import lock

TARGETS = ["/file/a", "/file/b"]


def test_the_account_is_elsewhere_and_works_as_well_there(engine_name, server: FaultServer, tmp_path: Path):
    urls, dest, state = [server.url(target) for target in TARGETS], tmp_path / "out", tmp_path / "state" / "deep"
    for done in (2, 0):
        summary = pdl.download_all(urls, dest, engine=engine_name, state_dir=state)
        assert (summary.done, summary.skipped) == (done, 2 - done)
    assert files_in(dest) == expected(server, TARGETS)
    assert (state / "ledger.sqlite3").exists()
    assert not (dest / ".pdl" / "ledger.sqlite3").exists()
    assert [entry.path for entry in pdl.Ledger(dest, state_dir=state)] == ["a", "b"]
    os.unlink(dest / "a")
    assert pdl.download_all(None, dest, verify=True, state_dir=state).done == 1


def test_the_state_can_be_looked_at_there(server: FaultServer, tmp_path: Path):
    where = ("-d", tmp_path / "out", "--state-dir", tmp_path / "state")
    assert run_pdl(server.url("/file/a"), *where).returncode == 0
    run = run_pdl("--status", *where)
    assert (run.returncode, "done 1" in run.stdout) == (0, True)
    assert run_pdl("--status", "-d", tmp_path / "out").returncode == 1


def test_a_folder_holds_the_state_of_one_destination(server: FaultServer, tmp_path: Path):
    url = server.url("/file/a")
    pdl.download_all([url], tmp_path / "one", state_dir=tmp_path / "state")
    with pytest.raises(pdl.DestinationError, match="holds the state of"):
        pdl.download_all([url], tmp_path / "other", state_dir=tmp_path / "state")
    assert pdl.download_all([url], tmp_path / "one", state_dir=tmp_path / "state").skipped == 1


@pytest.mark.fault(46)
def test_two_runs_cannot_share_it(engine_name, server: FaultServer, tmp_path: Path):
    target = "/stall/before-head/x"
    options = {"dest": tmp_path / "out", "state_dir": tmp_path / "state", "engine": engine_name}
    with (
        pdl.iter_downloads([server.url(target)], **options) as downloads,
        pytest.raises(pdl.DestinationError, match=rf"another run \(process {os.getpid()}\)"),
    ):
        pdl.download_all([server.url("/file/a")], **options)
    server.release(target)
    assert downloads.summary.left <= 1


def test_a_folder_that_cannot_be_made_is_one_message(server: FaultServer, tmp_path: Path):
    (tmp_path / "file").write_text("")
    run = run_pdl(server.url("/file/a"), "-d", tmp_path / "out", "--state-dir", tmp_path / "file" / "x")
    assert run.returncode == 1
    assert "the folder of the state" in run.stderr
    assert "Traceback" not in run.stderr


def test_where_locks_do_not_work_the_message_names_the_way_out(tmp_path: Path, monkeypatch):
    def refuse(_: int) -> bool:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr("pdl.storage.hold.lock", refuse)
    with pytest.raises(pdl.DestinationError, match="--state-dir"):
        pdl.download_all(["http://h.invalid/x"], tmp_path)


def test_parts_are_held_wherever_the_state_is(engine_name, server: FaultServer, tmp_path: Path):
    target, dest = "/stall/before-head/x", tmp_path / "out"
    with (
        pdl.iter_downloads(
            [server.url(target)], dest, engine=engine_name, state_dir=tmp_path / "state"
        ) as downloads,
        pytest.raises(pdl.DestinationError, match=rf"another run \(process {os.getpid()}\)"),
    ):
        pdl.download_all([server.url("/file/a")], dest, engine=engine_name)
    server.release(target)
    assert downloads.summary.left <= 1
    assert pdl.download_all([server.url("/file/a")], dest, engine=engine_name).done == 1


def test_a_destination_without_locks_can_have_its_state_elsewhere(server: FaultServer, tmp_path: Path, monkeypatch):
    def refuse_there(descriptor: int) -> bool:
        if os.path.samestat(os.fstat(descriptor), os.stat(tmp_path / "out" / ".pdl" / "lock")):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        return lock(descriptor)

    monkeypatch.setattr("pdl.storage.hold.lock", refuse_there)
    summary = pdl.download_all([server.url("/file/a")], tmp_path / "out", state_dir=tmp_path / "state")
    assert summary.done == 1


def test_the_destination_itself_is_no_folder_for_its_state(tmp_path: Path):
    with pytest.raises(pdl.DestinationError, match="is the destination itself"):
        pdl.download_all(["http://h.invalid/x"], tmp_path, state_dir=tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".pdl"]


@pytest.mark.parametrize("name", ["state_dir", "failed", "checksums"])
def test_an_empty_path_is_none(name: str):
    with pytest.raises(pdl.SettingsError, match=f"{name} takes a path"):
        pdl.Settings(**{name: ""})
