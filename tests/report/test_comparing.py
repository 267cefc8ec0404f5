"""Engines compared from Python, each measurement in a process of its own."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from faultserver import FaultServer

import pdl
from pdl.demo import DemoServer, Knobs
from pdl.report.compare import Comparer
from pdl.report.contestants import field
from pdl.report.plan import Plan
from pdl.report.telling import Telling
from pdl.sources import open_source
from pdl.storage.comparisons import ComparisonFolder

TARGETS = ["/file/a", "/file/b?size=50000", "/status/404", "/redirect/c?to=/file/c"]


def files_in(dest: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dest.iterdir() if path.name != ".pdl"}


def test_every_engine_fetches_the_same_and_the_files_are_there_once(server: FaultServer, tmp_path: Path):
    urls = [server.url(each) for each in TARGETS]
    found = pdl.compare(iter(urls), tmp_path, rounds=1, retry_delay=0.01)
    engines = [row.engine for row in found.rows]
    assert sorted(engines) == sorted(name for name, why in pdl.engines.available().items() if why is None)
    for row in found.rows:
        assert (row.done.median, row.failed.median, row.errors, row.differing) == (3, 1, {"http 404": 1}, 0)
        assert row.seconds.median > 0
        assert row.user.median + row.system.median > 0
        assert row.rss.median > 10_000_000
        assert row.first_byte is not None
        assert row.processes >= 1  # the run may be over before its workers were seen
    assert (found.entries, found.hosts, found.sampled, found.notes) == (4, 1, None, ())
    assert found.published
    assert not found.interrupted
    assert [each.round for each in found.measurements] == [0] * len(engines) + [1] * len(engines)
    asked = Counter(record.path for record in server.requests)
    assert asked[TARGETS[0]] == 2 * len(engines)  # each round and the warm-up; publishing asks for nothing
    assert set(files_in(tmp_path)) == {"a", "b", "c"}
    assert (tmp_path / "a").read_bytes() == server.content("/file/a")
    assert sorted(os.listdir(tmp_path / ".pdl")) == [".gitignore", "ledger.sqlite3", "lock", "parts"]
    again = pdl.download_all(urls, tmp_path, retries=0)
    assert again.skipped_by_reason == {"done": 3}


def test_without_a_destination_nothing_stays(server: FaultServer, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = pdl.compare([server.url("/file/a")], engines="curl", jobs=[1, 2], rounds=2)
    assert [(row.engine, row.rounds) for row in found.rows] == [("curl", 2), ("curl", 2)]
    assert {row.jobs for row in found.rows} == {1, 2}
    assert not found.published
    assert list(tmp_path.iterdir()) == []


def test_rounds_are_interleaved_and_begin_with_another_each_time(server: FaultServer):
    found = pdl.compare([server.url("/file/a")], engines=["curl"], jobs=[1, 2, 3], rounds=2)
    assert [(each.round, each.jobs) for each in found.measurements] == [
        (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 1), (2, 3), (2, 1), (2, 2),
    ]  # fmt: skip


def test_a_sample_is_not_published(server: FaultServer, tmp_path: Path):
    urls = [server.url(f"/file/{n}") for n in range(30)]
    found = pdl.compare(urls, tmp_path, engines=["curl"], rounds=1, sample=5)
    assert (found.entries, found.sampled, found.published) == (5, 30, False)
    assert len({record.path for record in server.requests}) == 5
    assert files_in(tmp_path) == {}
    assert "ledger.sqlite3" not in os.listdir(tmp_path / ".pdl")


def test_files_that_differ_from_engine_to_engine_are_found_out(server: FaultServer, tmp_path: Path):
    class Contrary(Telling):
        def ended(self, measurement) -> None:
            (kept,) = (tmp_path / ".pdl").glob("comparison-*/0/a")
            kept.write_bytes(b"as if it had come otherwise")

    url = server.url("/file/a")
    plan = Plan(pdl.Settings(dest=str(tmp_path)), field(["curl"], [1], pdl.Settings()), rounds=2)
    comparer = Comparer(open_source([url]), plan, Contrary(shown=False))
    try:
        comparer.prepare()
        comparer.measure()
        found = comparer.comparison()
    finally:
        comparer.close()
    assert found.rows[0].differing == 2
    assert len(found.notes) == 1
    assert "other contents" in found.notes[0]
    assert url in found.notes[0]


def test_where_everything_fails_there_is_nothing_to_compare(refused_url: str, tmp_path: Path):
    found = pdl.compare([refused_url], tmp_path, engines=["curl", "threads"], rounds=1, retries=0)
    assert "nothing to compare" in found.verdict
    assert found.winner is None
    assert [row.limit.bound for row in found.rows] == ["nothing", "nothing"]
    assert [row.errors for row in found.rows] == [{"connect": 1}] * 2
    assert files_in(tmp_path) == {}


def test_settings_reach_every_measurement(server: FaultServer):
    pdl.compare([server.url("/file/a")], engines=["curl"], rounds=1, user_agent="who", headers={"X-Mine": "1"})
    assert {(each.header("user-agent"), each.header("x-mine")) for each in server.requests} == {("who", "1")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "rounds takes a whole number from 1"),
        ({"sample": 0}, "sample takes a whole number from 1"),
        ({"jobs": []}, "jobs takes"),
        ({"jobs": 0}, "jobs takes a whole number from 1"),
        ({"engines": ["nosuch"]}, "there is no engine 'nosuch'"),
        ({"no_state": True}, "--no-state"),
        ({"update": True}, "--update"),
        ({"jobs": [1, 99_999]}, "jobs takes a whole number up to 65535"),
        ({"engine": "curl"}, "engines="),
        ({"engines": 5}, "engines takes one or several"),
        ({"colour": "red"}, "there is no option 'colour'"),
    ],
)
def test_what_cannot_be_compared_is_said(options, said, server: FaultServer):
    with pytest.raises(pdl.SettingsError, match=said):
        pdl.compare([server.url("/file/a")], **options)
    assert server.requests == []


def test_an_empty_list_is_said_to_be_empty(tmp_path: Path):
    with pytest.raises(pdl.SourceError, match="empty"):
        pdl.compare(["", "# nothing"], tmp_path)
    with pytest.raises(pdl.SourceError, match="needs a list"):
        pdl.compare(None, tmp_path)
    assert not list((tmp_path / ".pdl").glob("comparison*"))


def test_a_destination_that_a_run_holds_is_refused_before_anything_is_asked(server: FaultServer, tmp_path: Path):
    held = pdl.iter_downloads([server.url("/file/a")], tmp_path)
    with held, pytest.raises(pdl.DestinationError, match="another run"):
        pdl.compare([server.url("/file/b")], tmp_path, engines=["curl"])
    assert not [each for each in server.requests if each.path == "/file/b"]


@pytest.mark.parametrize("run", [pdl.compare, pdl.download_all])
def test_what_a_killed_comparison_has_left_goes_with_the_next_run(run, server: FaultServer, tmp_path: Path):
    (tmp_path / ".pdl").mkdir(0o700)
    left = ComparisonFolder(str(tmp_path / ".pdl"))
    other = ComparisonFolder(str(tmp_path / ".pdl"))  # of one that is still at work, as while it publishes
    os.close(left._lock)
    (Path(left.path) / "list").write_bytes(b"x")
    run([server.url("/file/a")], tmp_path, **({"engines": ["curl"], "rounds": 1} if run is pdl.compare else {}))
    assert [str(each) for each in (tmp_path / ".pdl").glob("comparison*")] == [other.path]
    other.remove()
    assert not list((tmp_path / ".pdl").glob("comparison*"))


def test_what_is_the_users_in_the_folder_of_the_state_stays(server: FaultServer, tmp_path: Path):
    mine = tmp_path / "state" / "comparison" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    pdl.compare(
        [server.url("/file/a")], tmp_path / "d", engines=["curl"], rounds=1, state_dir=str(tmp_path / "state")
    )
    assert mine.read_text() == "mine"


def test_runs_that_a_deadline_cuts_publish_nothing(server: FaultServer, tmp_path: Path):
    urls = [server.url("/file/a"), server.url("/stall/in-body/b?size=300000&at=1000")]
    found = pdl.compare(urls, tmp_path, engines=["curl"], rounds=1, deadline=0.5)
    assert not found.published
    assert files_in(tmp_path) == {}


def test_files_keep_the_story_of_how_they_came(server: FaultServer, tmp_path: Path):
    url = server.url("/drip/large?size=20000&piece=5000&interval=0.05")
    pdl.compare([url, server.url("/cut/c?times=9")], tmp_path, engines=["curl"], rounds=1, retry_delay=0, retries=1)
    large, cut = pdl.Ledger(tmp_path)
    assert (large.engine, large.attempts, cut.attempts) == ("curl", 1, 2)
    assert large.seconds is not None
    assert large.seconds >= 0.1


def test_what_goes_wrong_at_the_end_is_told_before_anything_is_measured(server: FaultServer, tmp_path: Path):
    with pytest.raises(pdl.DestinationError, match="list of failures"):
        pdl.compare([server.url("/file/a")], tmp_path, engines=["curl"], failed="/no-such-folder/x")
    assert server.requests == []


def test_the_state_may_be_elsewhere(server: FaultServer, tmp_path: Path):
    dest, state = tmp_path / "dest", tmp_path / "state"
    found = pdl.compare([server.url("/file/a")], dest, engines=["curl"], rounds=1, state_dir=str(state))
    assert found.published
    assert "ledger.sqlite3" in os.listdir(state)
    assert not list(state.glob("comparison*"))
    assert "ledger.sqlite3" not in os.listdir(dest / ".pdl")


def test_an_engine_that_breaks_is_left_out_and_the_others_go_on(server: FaultServer, tmp_path: Path, monkeypatch):
    """What no engine can carry out, this one may: it needs a CA file that is not there."""
    monkeypatch.setattr("pdl.report.compare.Comparer._settings", spoiled(Comparer._settings))
    found = pdl.compare([server.url("/file/a")], tmp_path, engines=["curl", "threads"], rounds=1)
    assert [row.engine for row in found.rows] == ["curl"]
    assert "threads -j 16" in found.left_out
    assert "no-such-file" in found.left_out["threads -j 16"]
    assert files_in(tmp_path) == {"a": server.content("/file/a")}


def spoiled(settings_of):
    def settings(self, contestant, dest):
        given = settings_of(self, contestant, dest)
        if contestant[0] != "threads":
            return given
        return pdl.settings.settings_from({**vars(given), "cacert": "/no-such-file"})

    return settings


def test_the_figures_are_those_that_the_server_counted():
    knobs = Knobs(files=60, smallest=2000, largest=2000, delay=0.05, tail="fixed", special=False)
    with DemoServer(knobs) as server:
        found = pdl.compare(server.urls, engines=["curl"], jobs=10, rounds=1)
        counts = server.counts()
    assert sum(counts.requests.values()) == sum(each.attempts for each in found.measurements) == 120
    assert counts.statuses == {200: sum(each.done for each in found.measurements)}
    assert counts.body_bytes == sum(each.size for each in found.measurements)
    for each in found.measurements:
        assert each.first_byte is not None
        assert each.file is not None
        assert 0.05 * 0.99 <= each.first_byte.p50 <= each.file.p99
        assert each.active <= 10
        assert each.seconds >= 60 / 10 * 0.05
    assert found.rows[0].limit.bound in ("jobs", "machine", "tail", "unknown")


def test_a_comparison_is_json(server: FaultServer):
    found = pdl.compare([server.url("/file/a")], engines=["curl"], rounds=1)
    told = json.loads(found.to_json())
    assert told["schema"] == "pdl.comparison/1"
    assert told["rows"][0]["engine"] == "curl"
    assert told["about"]["settings"] == {"rounds": "1"}
