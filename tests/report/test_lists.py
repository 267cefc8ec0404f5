"""Lists that are kept in a file, and samples of them."""

from __future__ import annotations

import os
import stat
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import SourceError
from pdl.model import Download, Malformed
from pdl.report.look import some_of
from pdl.report.sample import sample, shares
from pdl.report.spool import SpooledSource, read_spool, spool
from pdl.sources import open_source


def spooled(given, path: Path):
    return spool(open_source(given), str(path), lambda: None)


def test_a_list_comes_out_as_it_went_in(tmp_path: Path):
    entries = ["http://h/a", "nonsense", "http://u:p@i/b\tname=x\tsize=3"] + [f"http://h/{n}" for n in range(1200)]
    listed = spooled(iter(entries), tmp_path / "list")
    assert (listed.entries, listed.host_count) == (len(entries), 2)
    assert listed.hosts == {"h": 1201, "": 1, "i": 1}
    source, found = SpooledSource(listed.path, listed.entries, ("/the/list",)), []
    while (taken := source.take(7)) is not None:
        found += taken
    again = open_source(entries)
    assert found == list(iter_all(again))
    assert (source.position().fraction, source.position().total) == (1.0, len(entries))
    assert source.paths == ("/the/list",)
    assert found[2].credentials == (("http://i/b", "u:p"),)
    source.close()


def iter_all(source):
    while (taken := source.take(500)) is not None:
        yield from taken


@pytest.mark.skipif(os.name == "nt", reason="access rights are another matter there")
def test_nobody_else_may_read_it(tmp_path: Path):
    listed = spooled(["http://u:p@h/"], tmp_path / "list")
    assert stat.S_IMODE(os.stat(listed.path).st_mode) == 0o600


def test_a_list_that_breaks_says_so_and_is_closed(tmp_path: Path):
    def broken():
        yield "http://h/1"
        raise SourceError("broken off")

    with pytest.raises(SourceError, match="broken off"):
        spooled(broken(), tmp_path / "list")


def test_reading_a_list_can_be_stopped(tmp_path: Path):
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    source = open_source(f"http://h/{n}" for n in iter(int, 1))
    with pytest.raises(StopError):
        spool(source, str(tmp_path / "list"), stop)


HOSTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 1000), min_size=1, max_size=20)


@given(HOSTS, st.integers(1, 3000))
def test_shares_add_up_and_are_in_proportion(hosts, count):
    taken = shares(hosts, count)
    total = sum(hosts.values())
    assert sum(taken.values()) == min(count, total)
    assert all(1 <= number <= hosts[host] for host, number in taken.items())
    if count >= len(hosts):
        assert taken.keys() == hosts.keys()
        for host, number in hosts.items():
            assert abs(taken[host] - count * number / total) <= len(hosts) or count >= total


def test_a_sample_has_every_host_in_its_share_and_the_lists_order(tmp_path: Path):
    urls = [f"http://big/{n}" for n in range(900)] + ["nonsense"] + [f"http://small/{n}" for n in range(100)]
    urls += ["http://single/1"]
    whole = spooled(urls, tmp_path / "list")
    taken = sample(whole, 101, str(tmp_path / "sample"))
    found = [each.url for each in read_spool(taken.path)]
    assert Counter(url.split("/")[2] for url in found) == {"big": 89, "small": 11, "single": 1}
    assert found == sorted(found, key=urls.index)
    assert taken.entries == 101
    again = sample(whole, 101, str(tmp_path / "again"))
    assert [each.url for each in read_spool(again.path)] == found
    other = sample(whole, 101, str(tmp_path / "other"), seed=1)
    assert [each.url for each in read_spool(other.path)] != found


def test_every_entry_of_a_host_has_the_same_chance(tmp_path: Path):
    whole = spooled([f"http://h/{n}" for n in range(10)], tmp_path / "list")
    seen: Counter[str] = Counter()
    for seed in range(400):
        path = tmp_path / "sample"
        seen.update(each.url for each in read_spool(sample(whole, 3, str(path), seed).path))
        path.unlink()
    assert len(seen) == 10
    assert all(70 <= number <= 170 for number in seen.values())  # 120 on average; seeded, so always the same


def test_a_look_takes_some_from_all_over_the_list(tmp_path: Path):
    whole = spooled([f"http://h/{n}" for n in range(1000)], tmp_path / "list")
    found = [each.url for each in read_spool(some_of(whole, str(tmp_path / "look")).path)]
    assert found == [f"http://h/{n}" for n in range(0, 1000, 50)]
    short = spooled(["http://h/1", "http://h/2"], tmp_path / "short")
    assert len(list(read_spool(some_of(short, str(tmp_path / "look2")).path))) == 2


def test_entries_of_python_keep_what_no_line_could_hold(tmp_path: Path):
    entry = Download("http://h/a", headers=(("X-Token", "t"),))
    listed = spooled([entry], tmp_path / "list")
    (found,) = islice(read_spool(listed.path), 1)
    assert not isinstance(found, Malformed)
    assert found.headers == (("X-Token", "t"),)
