"""A copy of a list's files, brought into a destination as if it had been fetched there."""

from __future__ import annotations

from pathlib import Path

import pytest
from faultserver import FaultServer

import pdl
from pdl.report.difference import differences, in_words
from pdl.report.replay import ReplayEngine


def fetched(server: FaultServer, urls: list[str], dest: Path, **settings) -> pdl.Ledger:
    pdl.download_all(urls, dest, retries=0, **settings)
    server.clear()
    return pdl.Ledger(dest)


def replayed(copy: Path, urls: list[str], dest: Path, name: str = "curl", **settings) -> pdl.Summary:
    engine = ReplayEngine(str(copy), pdl.Ledger(copy), name, named=settings.get("content_disposition", False))
    return pdl.download_all(urls, dest, engine=engine, **settings)


def told(entry: pdl.LedgerEntry) -> pdl.LedgerEntry:
    """What does not depend on when somebody asked."""
    return entry._replace(queued=None, ended=None)


@pytest.mark.parametrize("layout", ["flat", "tree", "hash"])
def test_a_copy_ends_as_it_did_where_it_was_fetched(layout, server: FaultServer, tmp_path: Path):
    targets = ["/file/a", "/redirect/b?to=/file/moved", "/status/404", "/file/a", "/status/410/x", "/empty/c"]
    urls = [server.url(each) for each in targets] + ["nonsense", server.url("/file/d") + "\tname=other.bin"]
    copy = fetched(server, urls, tmp_path / "copy", layout=layout, digest="sha256", engine="curl")
    before = [told(each) for each in copy]
    summary = replayed(tmp_path / "copy", urls, tmp_path / "dest", layout=layout, digest="sha256")
    assert [told(each) for each in pdl.Ledger(tmp_path / "dest")] == before  # attempts and seconds as well
    assert {each.engine for each in before} == {"curl", None}
    assert server.requests == []
    assert (summary.done, summary.failed, summary.skipped, summary.left) == (4, 3, 1, 0)
    assert not list((tmp_path / "dest" / ".pdl" / "parts").iterdir())


def test_a_file_is_moved_so_that_it_is_nobody_elses(server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/a")]
    fetched(server, urls, tmp_path / "copy")
    replayed(tmp_path / "copy", urls, tmp_path / "dest")
    assert (tmp_path / "dest" / "a").read_bytes() == server.content("/file/a")
    assert (tmp_path / "dest" / "a").stat().st_nlink == 1
    assert not (tmp_path / "copy" / "a").exists()


def test_what_is_done_in_the_destination_is_skipped_as_ever(server: FaultServer, tmp_path: Path):
    urls = [server.url(f"/file/{n}") for n in range(40)]
    fetched(server, urls, tmp_path / "copy")
    fetched(server, urls[:20], tmp_path / "dest")
    summary = replayed(tmp_path / "copy", urls, tmp_path / "dest")
    assert (summary.done, summary.skipped_by_reason) == (20, {"done": 20})


def test_mirrors_and_repeats_come_out_the_same(server: FaultServer, other_server: FaultServer, tmp_path: Path):
    lines = [
        f"{server.url('/status/404/a')}\t{other_server.url('/file/a')}",
        f"{server.url('/status/404/b')}\t{other_server.url('/status/410/b')}",
        f"{server.url('/file/c')}\tname=one",
        f"{server.url('/file/c')}\tname=two",
    ]
    before = [told(each) for each in fetched(server, lines, tmp_path / "copy")]
    assert [each.status for each in before] == ["done", "failed", "done", "done"]
    replayed(tmp_path / "copy", lines, tmp_path / "dest")
    after = [told(each) for each in pdl.Ledger(tmp_path / "dest")]
    assert [each.path for each in after] == [each.path for each in before]
    assert [(each.status, each.final_url, each.kind) for each in after] == [
        (each.status, each.final_url, each.kind) for each in before
    ]


def test_an_entry_that_the_copy_lacks_fails_and_says_what_to_do(server: FaultServer, tmp_path: Path):
    fetched(server, [server.url("/file/a")], tmp_path / "copy")
    summary = replayed(tmp_path / "copy", [server.url("/file/b")], tmp_path / "dest")
    (failure,) = summary.failures
    assert failure.kind is pdl.Kind.INTERNAL
    assert "--report" in failure.message


def test_a_file_that_has_gone_from_the_copy_is_a_failure_of_the_disk(server: FaultServer, tmp_path: Path):
    fetched(server, [server.url("/file/a")], tmp_path / "copy")
    (tmp_path / "copy" / "a").unlink()
    (failure,) = replayed(tmp_path / "copy", [server.url("/file/a")], tmp_path / "dest").failures
    assert failure.kind is pdl.Kind.DISK


# -- differences


def test_equal_runs_do_not_differ_and_others_are_told(server: FaultServer, tmp_path: Path):
    urls = [server.url(each) for each in ("/file/a", "/file/b", "/file/c", "/status/404")]
    one, other = (fetched(server, urls, tmp_path / name) for name in ("one", "other"))
    assert not list(differences(one, str(tmp_path / "one"), other, str(tmp_path / "other")))
    (tmp_path / "other" / "a").write_bytes(b"x" * (tmp_path / "one" / "a").stat().st_size)
    (tmp_path / "other" / "b").unlink()
    failing = [each._replace(status="failed", kind=pdl.Kind.DNS) if each.row == 3 else each for each in other]
    found = list(differences(one, str(tmp_path / "one"), failing, str(tmp_path / "other")))
    assert [(each.url, each.content) for each in found] == [(urls[0], True), (urls[1], True), (urls[2], False)]
    assert "other bytes" in found[0].what
    assert "cannot be compared" in found[1].what
    assert found[2].what == "is failed (dns), and done in the first copy"
    assert in_words(found).count("; ") == 2


def test_what_a_stopped_run_has_left_is_no_difference(server: FaultServer, tmp_path: Path):
    one = list(fetched(server, [server.url("/file/a")], tmp_path / "one"))
    left = [each._replace(status="left") for each in one]
    assert not list(differences(one, str(tmp_path / "one"), left, str(tmp_path / "one")))
