"""Going on where an earlier run ended: by itself, by a signal, or by a kill at any moment."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from accounts import expected, files_in, parts_in
from faultserver import FaultServer, run_pdl, start_pdl
from stopping import stop_when_bytes_have_come

import pdl
from pdl.model import Progress
from pdl.storage.publish import Publisher

pytestmark = pytest.mark.fault(14, 43)

posix = pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")

LARGE = "/stall/in-body/large?size=2000000&at=1500000"


def ask(dest: Path, statement: str) -> list[tuple[object, ...]]:
    """What another program reads in the ledger, or writes there."""
    with closing(sqlite3.connect(dest / ".pdl" / "ledger.sqlite3")) as connection, connection:
        return connection.execute(statement).fetchall()


def wait_until_known(dest: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the ledger knows how a part can be continued; a database tells nobody."""
    for _ in range(2000):
        try:
            if ask(dest, "SELECT row FROM part"):
                return
        except sqlite3.OperationalError:
            pass  # it is being made
        assert process.poll() is None, "the program ended too early"
        time.sleep(0.01)
    raise AssertionError("the ledger never heard of the part")


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a program and all its workers, as the end of a session does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def part_of_a_killed_run(server: FaultServer, dest: Path, engine_name: str, target: str = LARGE) -> Path:
    with start_pdl(server.url(target), "-d", dest, "-e", engine_name) as process:
        wait_until_known(dest, process)
        kill(process)
    (part,) = (dest / ".pdl" / "parts").iterdir()
    assert files_in(dest) == {}
    server.release(target)
    server.clear()
    return part


def assert_next_run_fetches(
    server: FaultServer, dest: Path, engine_name: str, *ranges: str | None, target: str = LARGE
) -> None:
    """The same command again ends with the right file, and asks for these ranges."""
    run = run_pdl(server.url(target), "-d", dest, "-e", engine_name)
    assert run.returncode == 0, run.stderr
    assert files_in(dest) == expected(server, [target])
    assert parts_in(dest) == []
    assert ask(dest, "SELECT * FROM part") == []
    assert [record.header("range") for record in server.requests] == list(ranges)


@posix
def test_a_killed_run_is_continued_by_range(engine_name, server: FaultServer, tmp_path: Path):
    part = part_of_a_killed_run(server, tmp_path, engine_name)
    size = part.stat().st_size
    assert 0 < size <= 1_500_000
    assert_next_run_fetches(server, tmp_path, engine_name, f"bytes={size}-")
    (record,) = server.requests
    assert record.header("if-range")


def test_a_stopped_run_is_continued_by_range(engine_name, server: FaultServer, tmp_path: Path):
    target = "/drip/large?size=2000000&piece=50000&interval=0.02"
    stop_when_bytes_have_come(server.url(target), tmp_path, engine=engine_name)
    (part,) = (tmp_path / ".pdl" / "parts").iterdir()
    size = part.stat().st_size
    server.clear()
    assert_next_run_fetches(server, tmp_path, engine_name, f"bytes={size}-", target=target)


@posix
def test_a_part_that_was_exchanged_is_not_continued(server: FaultServer, tmp_path: Path):
    part = part_of_a_killed_run(server, tmp_path, "threads")
    copy = part.with_suffix(".copy")
    shutil.copy(part, copy)  # the same bytes, but nobody can know that
    os.replace(copy, part)
    assert_next_run_fetches(server, tmp_path, "threads", None)


@posix
@pytest.mark.parametrize("change", ["validator = '\"other\"'", "total = 1999999", "url = url || 'x'"])
def test_a_part_of_another_version_is_not_continued(server: FaultServer, tmp_path: Path, change: str):
    part_of_a_killed_run(server, tmp_path, "threads")
    ask(tmp_path, f"UPDATE part SET {change}")
    run = run_pdl(server.url(LARGE), "-d", tmp_path, "-e", "threads")
    assert run.returncode == 0, run.stderr
    assert files_in(tmp_path) == expected(server, [LARGE])


def test_what_failed_under_way_is_continued_by_the_next_run(engine_name, server: FaultServer, tmp_path: Path):
    target = "/reset/in-body/x?size=300000&times=1"
    url = server.url(target)
    summary = pdl.download_all([url], tmp_path, engine=engine_name, retries=0)
    assert summary.failed == 1
    size = (tmp_path / ".pdl" / "parts" / "1.part").stat().st_size
    summary = pdl.download_all([url], tmp_path, engine=engine_name, retries=0)
    assert summary.done == 1
    assert files_in(tmp_path) == expected(server, [target])
    assert [record.header("range") for record in server.requests] == [None, f"bytes={size}-"]


def test_parts_that_nobody_can_go_on_with_are_removed(server: FaultServer, tmp_path: Path):
    url = server.url("/file/x")
    pdl.download_all([url], tmp_path)
    parts = tmp_path / ".pdl" / "parts"
    (parts / "7.part").write_bytes(b"of a row that there is not")
    os.link(tmp_path / "x", parts / "1.part")  # as a kill between linking and unlinking leaves it
    ask(tmp_path, "INSERT INTO part VALUES (1, 1, 'v', 1, 'u', NULL, NULL), (9, 1, 'v', 1, 'u', NULL, NULL)")
    assert pdl.download_all([url], tmp_path).skipped_by_reason == {"done": 1}
    assert parts_in(tmp_path) == []
    assert ask(tmp_path, "SELECT * FROM part") == []
    assert (tmp_path / "x").read_bytes() == server.content("/file/x")


def test_a_part_of_what_is_gone_for_good_is_dropped(server: FaultServer, tmp_path: Path):
    url = server.url("/status/404")
    pdl.download_all([url], tmp_path)
    (tmp_path / ".pdl" / "parts" / "1.part").write_bytes(b"left")
    pdl.download_all([url], tmp_path)
    assert parts_in(tmp_path) == []


@pytest.mark.parametrize(("size", "asked"), [(500, 1), (0, 1), (1000, 0), (1500, 0)])
def test_a_file_of_pdl_s_own_that_shrank_is_fetched_again(
    server: FaultServer, tmp_path: Path, size: int, asked: int
):
    target = "/file/x?size=1000"
    pdl.download_all([server.url(target)], tmp_path)
    os.truncate(tmp_path / "x", size)
    server.clear()
    summary = pdl.download_all([server.url(target)], tmp_path)
    assert len(server.requests) == asked
    assert (summary.done, summary.skipped_by_reason) == {
        500: (1, {}), 0: (1, {}), 1000: (0, {"done": 1}), 1500: (0, {"exists": 1}),
    }[size]  # fmt: skip
    if asked:
        assert files_in(tmp_path) == expected(server, [target])


def test_what_is_missing_is_fetched_again(server: FaultServer, tmp_path: Path):
    targets = [f"/file/{n}" for n in range(5)]
    urls = [server.url(target) for target in targets]
    pdl.download_all(urls, tmp_path)
    os.unlink(tmp_path / "3")
    server.clear()
    summary = pdl.download_all(urls, tmp_path)
    assert (summary.done, summary.skipped) == (1, 4)
    assert [record.target for record in server.requests] == ["/file/3"]
    assert files_in(tmp_path) == expected(server, targets)


def test_a_file_that_was_published_just_before_a_kill_is_known_as_pdl_s_own(server: FaultServer, tmp_path: Path):
    url = server.url("/file/x")
    pdl.download_all([url], tmp_path)
    ask(tmp_path, "UPDATE entry SET status = NULL, size = NULL")  # as a kill leaves it
    ask(tmp_path, "UPDATE run SET closed = NULL")
    for _ in range(2):
        server.clear()
        summary = pdl.download_all([url], tmp_path)
        assert summary.skipped_by_reason == {"done": 1}
        assert server.requests == []
    assert ask(tmp_path, "SELECT size FROM entry") == [(1000,)]


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_that_got_its_name_just_before_an_exception_is_known_as_pdl_s_own(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool
):
    publish, names = Publisher.publish, []

    def publish_and_raise(self: Publisher, part: str, path: str, *, replace: bool) -> None:
        publish(self, part, path, replace=replace)
        names.append(path)
        if len(names) == 2:
            raise KeyboardInterrupt  # as Ctrl-C does in a program that uses the library

    urls = [server.url(f"/file/{number}") for number in range(4)]
    monkeypatch.setattr(Publisher, "publish", publish_and_raise)
    with pytest.raises(KeyboardInterrupt):
        pdl.download_all(urls, tmp_path, durable=durable)
    summary = pdl.download_all(urls, tmp_path, durable=durable)
    assert summary.done + summary.skipped_by_reason["done"] == 4
    assert files_in(tmp_path) == expected(server, [f"/file/{number}" for number in range(4)])


def test_a_file_that_was_there_before_a_kill_is_not_pdl_s_own(server: FaultServer, tmp_path: Path):
    url = server.url("/file/x")
    (tmp_path / "x").write_bytes(b"theirs")
    pdl.download_all([url], tmp_path)
    assert ask(tmp_path, "SELECT status, reason, stood FROM entry") == [("skipped", "exists", 1)]
    ask(tmp_path, "UPDATE entry SET status = NULL, reason = NULL, size = NULL")
    ask(tmp_path, "UPDATE run SET closed = NULL")
    assert pdl.download_all([url], tmp_path).skipped_by_reason == {"exists": 1}
    assert (tmp_path / "x").read_bytes() == b"theirs"


# --update


def test_what_has_not_changed_is_not_sent_again(engine_name, server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/x"), server.url("/file/y")]
    pdl.download_all(urls, tmp_path, engine=engine_name)
    server.clear()
    summary = pdl.download_all(urls, tmp_path, engine=engine_name, update=True)
    assert summary.skipped_by_reason == {"not-modified": 2}
    assert all(record.header("if-none-match") for record in server.requests)
    assert len(server.requests) == 2
    assert files_in(tmp_path) == expected(server, ["/file/x", "/file/y"])
    server.clear()
    assert pdl.download_all(urls, tmp_path, engine=engine_name).skipped_by_reason == {"done": 2}
    assert server.requests == []


def test_what_has_changed_is_replaced(engine_name, server: FaultServer, tmp_path: Path):
    target = "/file/x?size=5000"
    pdl.download_all([server.url(target)], tmp_path, engine=engine_name)
    ask(tmp_path, "UPDATE entry SET etag = '\"old\"', last_modified = NULL")
    (tmp_path / "x").write_bytes(b"o" * 5000)
    summary = pdl.download_all([server.url(target)], tmp_path, engine=engine_name, update=True)
    assert summary.done == 1
    assert files_in(tmp_path) == expected(server, [target])


def test_what_cannot_be_asked_for_is_compared(engine_name, server: FaultServer, tmp_path: Path):
    targets = ["/file/same", "/file/other"]
    urls = [server.url(target) for target in targets]
    pdl.download_all(urls, tmp_path, engine=engine_name)
    ask(tmp_path, "UPDATE entry SET etag = NULL, last_modified = NULL")
    (tmp_path / "other").write_bytes(b"o" * 1000)
    server.clear()
    summary = pdl.download_all(urls, tmp_path, engine=engine_name, update=True)
    assert (summary.done, summary.skipped_by_reason) == (1, {"not-modified": 1})
    conditions = ("if-none-match", "if-modified-since")
    assert not any(record.header(name) for record in server.requests for name in conditions)
    assert files_in(tmp_path) == expected(server, targets)
    assert parts_in(tmp_path) == []
    assert ask(tmp_path, "SELECT COUNT(etag) FROM entry") == [(2,)]  # known from now on


def test_an_update_that_fails_leaves_the_file(server: FaultServer, tmp_path: Path):
    target = "/file/x?size=700"
    url = server.url(target)
    pdl.download_all([url], tmp_path)
    server.close()
    summary = pdl.download_all([url], tmp_path, update=True, retries=0)
    assert summary.failed_by_kind == {"connect": 1}
    assert (tmp_path / "x").read_bytes() == server.content(target)
    assert pdl.download_all([url], tmp_path).skipped_by_reason == {"done": 1}


# --digest


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_digests_are_kept_in_the_ledger(engine_name, server: FaultServer, tmp_path: Path, algorithm: str):
    pdl.download_all([server.url("/file/x")], tmp_path, engine=engine_name, digest=algorithm)
    value = hashlib.new(algorithm, server.content("/file/x")).hexdigest()
    assert ask(tmp_path, "SELECT digest, size FROM entry") == [(f"{algorithm}:{value}", 1000)]


def test_the_ledger_knows_when_and_by_what_a_file_came(engine_name, server: FaultServer, tmp_path: Path):
    before = time.time()
    pdl.download_all([server.url("/file/x")], tmp_path, engine=engine_name)
    ((queued, first_byte, ended, engine),) = ask(
        tmp_path,
        "SELECT queued, first_byte, ended, engine FROM entry JOIN run ON run.number = entry.fetched",
    )
    assert before <= queued <= first_byte <= ended <= time.time()
    assert engine == engine_name


def test_what_the_list_says_is_kept_without_its_secrets(server: FaultServer, tmp_path: Path):
    secret = server.url("/file/y").replace("://", "://user:hidden@")
    line = f"{server.url('/file/x')}\thttp://mirror.invalid/x\tsize=1000"
    pdl.download_all([line, secret], tmp_path)
    assert ask(tmp_path, "SELECT row, mirrors, size, withheld FROM given ORDER BY row") == [
        (1, "http://mirror.invalid/x", 1000, None),
        (2, None, None, 1),
    ]
    assert b"hidden" not in (tmp_path / ".pdl" / "ledger.sqlite3").read_bytes()


# --retry-failed


def test_what_failed_is_tried_again_without_its_list(engine_name, server: FaultServer, tmp_path: Path):
    bad = [server.url(f"/file/{n}?fail=1") for n in range(3)]
    given = f"{server.url('/status/404/mirrored')}\t{server.url('/file/m?fail=1')}\tname=n.bin\tsize=1000"
    summary = pdl.download_all([server.url("/file/good"), *bad, given], tmp_path, engine=engine_name, retries=0)
    assert (summary.done, summary.failed) == (1, 4)
    before = len(server.requests)
    results = {}
    with pdl.iter_downloads(None, tmp_path, engine=engine_name, retries=0, retry_failed="all") as downloads:
        results = {result.path: result for result in downloads}
    assert {path: result.status for path, result in results.items()} == {
        "0": "done", "1": "done", "2": "done", "n.bin": "done",
    }  # fmt: skip
    assert downloads.summary.read == 4
    assert files_in(tmp_path)["n.bin"] == server.content("/file/m?fail=1")
    assert {record.path for record in server.requests[before:]} == {
        "/file/0", "/file/1", "/file/2", "/status/404/mirrored", "/file/m",
    }  # fmt: skip
    assert pdl.download_all(None, tmp_path, retry_failed="all").read == 0


@pytest.mark.parametrize(
    ("kinds", "tried"),
    [
        ("all", {"a", "b", "c", "d"}),
        ("http", {"a", "b"}),
        ("http:5xx", {"a"}),
        ("http:404,connect", {"b", "d"}),
        ("empty", {"c"}),
        ("dns, timeout", set()),
    ],
)
def test_some_kinds_of_failures_are_tried_again(
    server: FaultServer, refused_url: str, tmp_path: Path, kinds: str, tried: set[str]
):
    lines = [
        f"{server.url('/status/500')}\tname=a",
        f"{server.url('/status/404')}\tname=b",
        f"{server.url('/status/204')}\tname=c",
        f"{refused_url}\tname=d",
        "not a URL",
    ]
    assert pdl.download_all(lines, tmp_path, retries=0).failed == 5
    with pdl.iter_downloads(None, tmp_path, retries=0, retry_failed=kinds) as downloads:
        assert {result.path for result in downloads} == tried
    summary = downloads.summary
    assert summary.done + summary.skipped + summary.failed + summary.left == summary.read == len(tried)


def test_what_had_a_secret_is_tried_with_its_list_only(server: FaultServer, tmp_path: Path):
    url = server.url("/status/500").replace("://", "://user:hidden@")
    pdl.download_all([url], tmp_path, retries=0)
    server.clear()
    for _ in range(2):
        with pdl.iter_downloads(None, tmp_path, retries=0, retry_failed="all") as downloads:
            (result,) = downloads
        assert (result.status, result.kind) == ("failed", "input")
        assert "run that list again" in result.message
        assert "hidden" not in repr(result)
    assert server.requests == []


def test_an_unknown_kind_is_refused_and_not_taken_for_a_list(tmp_path: Path):
    run = run_pdl("--retry-failed", "urls.txt", "-d", tmp_path)
    assert run.returncode == 2
    assert "there is no kind of failure 'urls.txt'" in run.stderr
    run = run_pdl("--retry-failed=http:9xx", "-d", tmp_path)
    assert run.returncode == 2
    run = run_pdl("--retry-failed=all", "http://h/x", "-d", tmp_path)
    assert run.returncode == 2
    assert "no SOURCE" in run.stderr
    with pytest.raises(pdl.SettingsError, match="no list"):
        pdl.download_all(["http://h/x"], tmp_path, retry_failed="all")
    with pytest.raises(pdl.SettingsError, match="without a list"):
        pdl.download_all(None, tmp_path)


def test_where_nothing_is_known_there_is_nothing_to_retry(tmp_path: Path):
    run = run_pdl("--retry-failed", "-d", tmp_path)
    assert (run.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "has no ledger" in run.stderr


def test_all_that_is_done_is_asked_for_again_without_a_list(server: FaultServer, tmp_path: Path):
    targets = [f"/file/{n}" for n in range(3)]
    pdl.download_all([server.url(target) for target in targets], tmp_path)
    os.unlink(tmp_path / "1")
    server.clear()
    summary = pdl.download_all(None, tmp_path, update=True)
    assert (summary.done, summary.skipped_by_reason) == (1, {"not-modified": 2})
    assert files_in(tmp_path) == expected(server, targets)


def test_what_came_to_its_place_after_a_stop_is_not_pdl_s_own(engine_name, server: FaultServer, tmp_path: Path):
    target = "/drip/large?size=2000000&piece=50000&interval=0.02"
    stop_when_bytes_have_come(server.url(target), tmp_path, engine=engine_name)
    (tmp_path / "large").write_text("somebody's own")
    summary = pdl.download_all([server.url(target)], tmp_path, engine=engine_name)
    assert summary.skipped_by_reason == {"exists": 1}
    pdl.download_all([server.url(target)], tmp_path, engine=engine_name)
    assert parts_in(tmp_path) == []  # nobody wants the part any more


@posix
def test_what_came_to_its_place_after_a_kill_is_not_pdl_s_own_if_the_part_is_there(
    engine_name, server: FaultServer, tmp_path: Path
):
    part_of_a_killed_run(server, tmp_path, engine_name)
    (tmp_path / "large").write_text("somebody's own")
    summary = pdl.download_all([server.url(LARGE)], tmp_path, engine=engine_name)
    assert summary.skipped_by_reason == {"exists": 1}


def test_without_a_list_the_bar_has_a_total(server: FaultServer, tmp_path: Path):
    urls = [server.url(f"/status/404?{number}") for number in range(3)] + [server.url("/file/a")]
    pdl.download_all(urls, tmp_path, retries=0)
    heard = Hearing()
    assert pdl.download_all(None, tmp_path, retries=0, retry_failed="all", progress=heard).failed == 3
    assert {event.total for event in heard.events if isinstance(event, Progress)} == {3}


class Hearing:
    """Keeps what a reporter hears."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def on(self, event: object) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is held back."""
