"""Ends that come from elsewhere than the loop: another thread, the collector, or twice."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest
from faultserver import FaultServer

import pdl


def test_another_thread_may_close_what_this_one_advances(engine_name, server: FaultServer, tmp_path: Path):
    urls = [server.url(f"/file/{n}") for n in range(5000)]
    downloads = pdl.iter_downloads(urls, tmp_path, engine=engine_name, jobs=4)
    came, begun = [], threading.Event()

    def advance() -> None:
        for result in downloads:
            came.append(result)
            begun.set()

    thread = threading.Thread(target=advance)
    thread.start()
    assert begun.wait(20)
    downloads.close()
    thread.join(20)
    assert not thread.is_alive()
    summary = downloads.summary
    assert summary.done + summary.skipped + summary.failed + summary.left == summary.read
    files = [path for path in tmp_path.iterdir() if path.name != ".pdl"]
    assert len(files) == summary.done >= len(came)


def test_two_threads_cannot_advance_it_at_once(server: FaultServer, tmp_path: Path):
    target = "/stall/before-head"
    downloads = pdl.iter_downloads([server.url(target)], tmp_path, engine="threads")
    thread = threading.Thread(target=lambda: list(downloads))
    thread.start()
    server.wait_for(lambda record: record.path == target)
    with pytest.raises(RuntimeError, match="somebody else"):
        next(downloads)
    downloads.close()
    thread.join(20)
    assert not thread.is_alive()


def test_an_iterator_that_was_never_advanced_ends_with_its_last_reference(
    engine_name, tmp_path: Path, nothing_left
):
    downloads = pdl.iter_downloads(iter(["http://127.0.0.1:1/x"]), tmp_path, engine=engine_name)
    del downloads
    gc.collect()


def test_a_run_can_be_closed_twice(engine_name, server: FaultServer, tmp_path: Path):
    with pdl.iter_downloads([server.url("/file")], tmp_path, engine=engine_name) as downloads:
        assert next(downloads).status == "done"
        downloads.close()
    assert downloads.summary.left == 0


@pytest.mark.fault(27, 57)
def test_what_failed_stands_in_the_list_as_it_stood_and_shows_no_password(
    engine_name, server: FaultServer, tmp_path: Path, capsys
):
    long = server.url("/" + "l" * 300) + "\tsha256=zz"
    secrets = ["http://user:pass/word@host/", "//user:secret@h/x", "user:secret@h/x", "http:/user:secret@h/x",
               "http://user:sec?ret@h/x\tsha256=zz", "http://user:sec#ret@h/x\tsize=x"]  # fmt: skip
    lines = [long, *secrets]
    failed = tmp_path / "failed.txt"
    with pdl.iter_downloads(lines, tmp_path / "dest", engine=engine_name, failed=failed) as downloads:
        results = list(downloads)
    assert failed.read_text().splitlines() == lines
    shown = repr(results) + (tmp_path / "dest" / ".pdl" / "ledger.sqlite3").read_bytes().decode("latin-1")
    for secret in ("word", "secret", "sec?ret", "sec#ret", "ret@"):
        assert secret not in shown
