"""What is made of measurements: limits, rows, and words."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from pdl.errors import EngineNotInstalledError, SettingsError, UnknownEngineError
from pdl.report.comparison import Bound, Measurement
from pdl.report.contestants import field, label, settings_for
from pdl.report.histogram import Quantiles
from pdl.report.limit import limit
from pdl.report.look import estimate
from pdl.report.measuring import Told
from pdl.report.ranking import by_contestant, rows
from pdl.report.spool import Spooled
from pdl.report.verdict import verdict
from pdl.report.wording import BOUNDS
from pdl.settings import Settings

QUANTILES = Quantiles(0.1, 0.2, 0.3)
TYPICAL = Measurement(
    engine="threads", jobs=16, round=1, seconds=10.0, done=100, skipped=0, failed=0, left=0, size=1000,
    attempts=100, retries=0, errors={}, user=1.0, system=0.5, rss=5 * 10**7, threads=18, processes=1,
    first_byte=QUANTILES, file=QUANTILES, active=15.5, waited=0.9, machine=0.3, blocked=0.0, working=1.4,
)  # fmt: skip


def bound(*measured: Measurement, per_host: int | None = None, hosts: int = 1) -> str:
    found = limit(measured, cpus=4, per_host=per_host, hosts=hosts)
    assert found.evidence
    return found.bound


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "jobs"),
        ({"done": 0, "failed": 100}, "nothing"),
        ({"working": 9.0, "active": 3.0}, "cpu"),
        ({"user": 9.0, "active": 3.0}, "unknown"),  # Python took that to start
        ({"machine": 0.97}, "jobs"),  # who waits is not held back by others' CPU
        ({"machine": 0.97, "working": 6.0}, "machine"),
        ({"blocked": 0.5}, "disk"),
        ({"blocked": None}, "jobs"),
        ({"waited": 0.1}, "server"),
        ({"waited": None}, "server"),
        ({"active": 5.0, "tail": 0.5}, "tail"),
        ({"active": 5.0, "retries": 7}, "server"),
        ({"active": 5.0}, "unknown"),
        ({"engine": "processes", "working": 9.5}, "jobs"),
        ({"engine": "processes", "working": 37.0}, "cpu"),
        ({"engine": "sequential", "jobs": 1, "active": 0.98}, "jobs"),
    ],
)
def test_the_limit_is_what_the_figures_say(change, expected):
    assert bound(replace(TYPICAL, **change)) == expected


def test_a_cap_for_each_host_is_the_limit_only_where_it_binds():
    capped = replace(TYPICAL, active=3.9)
    assert bound(capped, per_host=2, hosts=2) == "per-host"
    assert bound(replace(TYPICAL, active=1.0), per_host=2, hosts=2) != "per-host"
    assert bound(TYPICAL, per_host=10, hosts=2) == "jobs"


def test_the_limit_is_of_the_median_round():
    busy = replace(TYPICAL, working=9.5)
    assert bound(busy, busy, TYPICAL) == "cpu"
    assert bound(busy, TYPICAL, TYPICAL) == "jobs"


def measured(**seconds: list[float]) -> list[Measurement]:
    return [
        replace(TYPICAL, engine=engine, round=number, seconds=each)
        for engine, several in seconds.items()
        for number, each in enumerate(several)
    ]


def table(found: list[Measurement]):
    return rows(by_contestant(found), lambda rounds: limit(rounds, cpus=2, per_host=None, hosts=1))


def test_rows_are_medians_of_all_rounds_but_the_warm_up():
    fast, slow = table(measured(curl=[99.0, 1.0, 2.0, 3.0], gevent=[99.0, 4.0, 8.0, 12.0]))
    assert (fast.engine, fast.rounds, fast.seconds, fast.is_best) == ("curl", 3, (2.0, 1.0, 3.0), True)
    assert fast.files_per_second == (50.0, pytest.approx(100 / 3), 100.0)
    assert fast.cpu_per_file == pytest.approx((0.014, 0.014, 0.014))
    assert fast.ratio is not None
    assert fast.ratio.value == 1
    assert slow.ratio is not None
    assert slow.ratio.value == pytest.approx(4)
    assert fast.first_byte is not None
    assert fast.first_byte.p95 == (0.2, 0.2, 0.2)
    assert not slow.is_best


def test_who_has_no_files_has_no_ratio_and_stands_last():
    found = measured(curl=[9.0, 5.0, 5.0], gevent=[9.0, 1.0, 1.0])
    found = [
        replace(each, done=0, failed=100, errors={"http 404": 100}) if each.engine == "gevent" else each
        for each in found
    ]
    first, last = table(found)
    assert (first.engine, last.engine) == ("curl", "gevent")
    assert (last.ratio, last.cpu_per_file, last.is_best) == (None, None, False)
    assert last.errors == {"http 404": 200}
    assert "only" not in verdict((last,), None)
    assert "nothing to compare" in verdict((last,), None)


def test_who_brings_fewer_files_is_no_winner_however_soon_it_is_done():
    found = measured(curl=[9.0, 5.0, 5.0], gevent=[9.0, 1.0, 1.0])
    found = [replace(each, done=98, failed=2) if each.engine == "gevent" else each for each in found]
    first, last = table(found)
    assert (first.engine, first.is_best, last.ratio) == ("curl", True, None)
    assert "Not compared, as fewer files came: gevent -j 16 (98)." in verdict((first, last), None)


def test_the_verdict_names_a_winner_and_by_how_much():
    found = table(measured(curl=[0, 1.0, 1.01, 0.99], gevent=[0, 2.0, 2.02, 1.98]))
    assert verdict(found, "curl -j 16") == (
        "curl -j 16 is the fastest: 2.00 times (2.00 to 2.00) as fast as gevent -j 16, the next."
    )


def test_the_verdict_names_no_winner_where_there_is_none():
    found = table(measured(curl=[0, 1.0, 1.2, 0.9], gevent=[0, 1.1, 1.0, 1.0]))
    said = verdict(found, None)
    assert said.startswith("No winner")
    assert "curl -j 16" in said
    assert "gevent -j 16" in said
    assert "one round" in verdict(table(measured(curl=[0, 1.0], gevent=[0, 3.0])), None)


def test_the_verdict_of_one_or_none():
    assert "Nothing else" in verdict(table(measured(curl=[0, 1.0, 1.0])), None)
    assert verdict((), None) == "Nothing was measured."


# -- who takes part


def test_all_engines_take_part_sequential_once():
    found = field([], [16, 4, 16], Settings())
    assert ("sequential", 1) in found.contestants
    assert sum(name == "sequential" for name, _ in found.contestants) == 1
    assert [jobs for name, jobs in found.contestants if name == "curl"] == [4, 16]
    assert found == field(["all"], [4, 16], Settings())
    assert [label(each) for each in found.contestants if each[0] in ("sequential", "curl")] == [
        "sequential",
        "curl -j 4",
        "curl -j 16",
    ]


def test_an_engine_that_was_named_must_be_usable(monkeypatch):
    with pytest.raises(UnknownEngineError, match="nosuch"):
        field(["curl", "nosuch"], [1], Settings())
    with pytest.raises(SettingsError, match="names"):
        field([object()], [1], Settings())  # type: ignore[list-item]  # what a caller might try
    monkeypatch.setattr("pdl.engines._missing", lambda needs: "not installed; do it" if "gevent" in needs else None)
    with pytest.raises(EngineNotInstalledError, match="not installed"):
        field(["gevent", "curl"], [1], Settings())
    found = field([], [1], Settings())
    assert found.left_out == {"gevent": "not installed; do it"}
    assert "gevent" not in dict(found.contestants)


def test_engines_that_lack_what_is_asked_for_are_left_out():
    found = field(["all"], [1], Settings(http3=True))
    assert dict(found.contestants).keys() == {"curl", "processes+curl"}
    assert "HTTP/1.1" in found.left_out["threads"]


def test_what_is_said_of_workers_is_for_engines_that_have_some():
    settings = Settings(workers=2, worker_engine="threads")
    found = field(["curl", "processes"], [4], settings)
    assert found.contestants == (("curl", 4), ("processes+threads", 4))
    assert settings_for("curl", settings) == Settings(engine="curl")
    assert settings_for("processes+threads", settings) == Settings(engine="processes+threads", workers=2)
    everything = field([], [4], settings)
    assert {"curl", "threads", "processes+threads"} <= dict(everything.contestants).keys()
    assert "worker_engine" in everything.left_out["processes+curl"]
    with pytest.raises(SettingsError, match="workers needs the engine 'processes'"):
        field(["curl"], [4], settings)


def test_auto_stands_for_an_engine():
    assert field(["auto", "curl"], [2], Settings()).contestants == (("curl", 2),)


# -- what it will take


def test_an_estimate_multiplies_what_was_seen():
    listed = Spooled("x", 1000)
    listed.hosts.update({"h": 1000})
    looked = Told(read=20, done=10, size=5000, mean=0.1)
    found = estimate(listed, looked, (("sequential", 1), ("curl", 10)), 5, None)
    assert (found.measurements, found.requests, found.size, found.largest) == (12, 12_000, 6_000_000, 500_000)
    assert found.seconds == pytest.approx(6 * (100 + 10 + 0.8))
    capped = estimate(listed, looked, (("curl", 10),), 1, 2)
    assert capped.seconds == pytest.approx(2 * (50 + 0.4))
    cut = estimate(listed, Told(read=20, loaded=10**9, stopped="deadline"), (("curl", 10),), 1, None)
    assert (cut.is_least, cut.size) == (True, 10**9 / 20 * 2000)
    assert cut.seconds >= 2 * 1000 * 10 / 10
    unknown = estimate(listed, Told(read=20), (("curl", 10),), 1, None)
    assert (unknown.size, unknown.largest) == (None, None)


def test_every_limit_has_words():
    assert set(get_args(Bound)) == set(BOUNDS)
