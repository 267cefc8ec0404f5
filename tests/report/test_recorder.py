"""What is kept of a run for its report."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.model import Progress, Result, Timings
from pdl.report.about import about
from pdl.report.course import Course
from pdl.report.histogram import Histogram
from pdl.report.recorder import Recorder
from pdl.report.run_report import Account
from pdl.settings import Settings

ACCOUNT = Account(0, 0, 0, 0, 0, {}, {}, 0, 0.0)


def done(number: int, seconds: float = 0.1, host: str = "h", **more) -> Result:
    url = f"http://{host}/{number}"
    return Result(number, "done", url, path=str(number), size=100, attempts=1, seconds=seconds, **more)


def failed(number: int, kind: Kind = Kind.HTTP, status: int | None = 404) -> Result:
    url = f"http://h/{number}"
    return Result(number, "failed", url, str(number), None, kind, "gone", status, attempts=2, where=f"l:{number}")


def recorded(*results: Result):
    recorder = Recorder()
    for each in results:
        recorder.on(each)
    return recorder.report(about(None), ACCOUNT)


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=500))
def test_quantiles_are_right_to_half_a_percent(durations):
    histogram = Histogram()
    histogram.add_all(durations[::2])
    histogram.add_all(durations[1::2])
    found = histogram.quantiles()
    assert found is not None
    ordered = sorted(durations)
    for share, value in zip((0.5, 0.95, 0.99), found, strict=True):
        assert value == pytest.approx(ordered[math.ceil(share * len(ordered)) - 1], rel=0.0051)
    assert histogram.mean == pytest.approx(statistics.fmean(durations))
    assert histogram.count == len(durations)


def test_nothing_has_no_quantiles():
    assert Histogram().quantiles() is None
    assert Histogram().mean == 0


def test_durations_beyond_one_batch_count_all():
    chance = random.Random(1)
    seconds = [chance.lognormvariate(0, 1) for _ in range(10_000)]
    report = recorded(*(done(n, each) for n, each in enumerate(seconds)))
    assert report.file is not None
    assert report.file.p50 == pytest.approx(statistics.median(seconds), rel=0.02)
    assert [each.seconds for each in report.slowest] == sorted(seconds, reverse=True)[:20]


def test_hosts_have_their_files_bytes_and_failures():
    report = recorded(done(1), done(2, host="i:81"), done(3, host="i:81"), failed(4))
    assert [(each.name, each.done, each.failed, each.size) for each in report.hosts] == [
        ("i:81", 2, 0, 200),
        ("h", 1, 1, 100),
    ]
    assert report.hosts[0].rate == pytest.approx(200 / 0.2)
    assert report.retries == 1


def test_hosts_beyond_those_that_can_be_told_apart_count_together():
    report = recorded(*(done(n, host=f"h{n}") for n in range(10_005)))
    assert len(report.hosts) == 25
    assert ("(others)", 5) in [(each.name, each.done) for each in report.hosts]
    assert report.more_hosts == 10_001 - 25


def test_failures_are_told_by_kind_with_three_examples():
    broken = Result(9, "failed", "no url", kind=Kind.INPUT, message="not a URL", where="l:9")
    report = recorded(*(failed(n) for n in range(5)), failed(5, Kind.TIMEOUT, None), broken)
    assert [(each.kind, each.count, len(each.examples)) for each in report.failures] == [
        ("http 404", 5, 3),
        ("input", 1, 1),
        ("timeout", 1, 1),
    ]
    assert report.failures[0].examples[0] == ("http://h/0", "gone", "l:0")
    assert [each.name for each in report.hosts] == ["h"]  # a malformed line has none


def test_phases_count_the_downloads_that_went_through_them():
    fresh, kept = Timings(0.1, 0.2, 0.0, 0.3, 0.4), Timings(0.0, 0.0, 0.0, 0.5, 0.1)
    report = recorded(done(1, timings=fresh), done(2, timings=kept), done(3))
    assert [(each.name, each.count, round(each.seconds, 6)) for each in report.phases] == [
        ("dns", 1, 0.1),
        ("connect", 1, 0.2),
        ("wait", 2, 0.8),
        ("body", 2, 0.5),
    ]
    assert report.first_byte is not None
    assert report.first_byte.p50 == pytest.approx(0.5, rel=0.01)
    assert report.first_byte.p99 == pytest.approx(0.6, rel=0.01)


def test_what_was_skipped_without_a_request_leaves_no_trace():
    report = recorded(Result(1, "skipped", "http://h/1", "1", "done"))
    assert (report.hosts, report.file, report.slowest) == ((), None, ())


# -- the course


def snapshot(seconds: float, done: int, size: int, active: int = 0) -> Progress:
    return Progress(done, done, 0, 0, size, seconds, None, None, active=active)


@pytest.mark.parametrize("snapshots", [1, 5, 100, 5_000])
def test_a_course_of_any_length_adds_up(snapshots):
    course = Course()
    for n in range(1, snapshots + 1):
        course.take(snapshot(n / 10, done=3 * n, size=1000 * n, active=4))
    moments = course.moments()
    assert 1 <= len(moments) <= 241
    ends = [each.at for each in moments[1:]] + [snapshots / 10]
    lengths = [end - each.at for end, each in zip(ends, moments, strict=True)]
    assert sum(each.files * length for each, length in zip(moments, lengths, strict=True)) == pytest.approx(
        3 * snapshots
    )
    assert sum(each.size * length for each, length in zip(moments, lengths, strict=True)) == pytest.approx(
        1000 * snapshots
    )
    assert {each.active for each in moments} == {4}


def test_a_last_moment_is_too_short_for_a_rate_of_its_own():
    course = Course()
    for n in range(1, 11):
        course.take(snapshot(n / 10, 3 * n, 0))
    course.take(snapshot(1.001, 33, 0))
    assert max(each.files for each in course.moments()) < 60


def test_a_run_in_which_nothing_was_seen_has_no_course():
    assert Course().moments() == ()
    assert Course().tail() == 0


def test_sizes_that_shrink_are_no_negative_speed():
    course = Course()
    for number, size in enumerate([0, 500, 100, 700], 1):
        course.take(snapshot(number / 10, 0, size))
    assert min(each.size for each in course.moments()) == 0


def test_the_tail_begins_when_few_are_left():
    course = Course()
    for n in range(1, 101):
        course.take(snapshot(n / 10, n, n, active=16 if n <= 60 else 2))
    assert course.tail() == pytest.approx(0.4, abs=0.011)


# -- circumstances


def test_a_report_tells_settings_but_no_secrets():
    settings = Settings(
        dest="d", jobs=3, headers={"Authorization": "hunter2"}, proxy="http://user:hunter2@p:1", timeout=5
    )
    told = about(settings)
    assert told.settings == {"jobs": "3", "timeout": "5", "headers": "set", "proxy": "set"}
    assert "hunter2" not in repr(told)
    assert told.cpus >= 1
    assert told.memory > 10**8
    assert "requests" in told.libraries
