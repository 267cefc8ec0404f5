"""Reports with known figures, ordinary ones and hostile ones."""

from __future__ import annotations

import math
from dataclasses import replace

from pdl.report.about import About
from pdl.report.comparison import Comparison, Limit, Measurement, Row, Spread
from pdl.report.histogram import Quantiles
from pdl.report.rounds import figure, paired_ratio
from pdl.report.run_report import Account, Example, Failures, Host, Moment, Phase, RunReport, Slow

ABOUT = About(
    when="2026-11-24T09:30:00+01:00",
    pdl="0.1.0",
    python="CPython 3.11.2",
    system="Linux 6.1.0-18-amd64",
    processor="AMD Ryzen 7 5800X 8-Core Processor",
    cpus=8,
    memory=33_601_536_000,
    libraries={
        "requests": "2.32.4",
        "urllib3": "2.7.0",
        "gevent": "25.9.1",
        "pycurl": "7.47.0",
        "libcurl": "8.14.1",
    },
    settings={"jobs": "16", "retries": "3", "headers": "set"},
)

HOSTILE = (
    "http://h/<script>alert(1)</script>",
    "http://h/a|b`c`_d_*e*[x](http://evil/)?q=1&amp;r=\"'\\|",
    "http://h/\u202egnp.exe\u200f\n\x1b[31mred\x07",
    "http://h/" + "long/" * 120 + "end.jpg",
    "http://h/$x^2$\\frac{1}{2}/日本語/ü.png",
    "http://h/\udcff?}}{{7*7}}{%x%}",
    "javascript:alert(1)",
    "www.example.com/@someone#1 mail@example.com",
)

# files a second with 1, 4, 16 downloads at once; CPU ms a file; RSS in MiB; threads; processes; p50 of a file in ms
_ENGINES = {
    "curl": ((410, 1540, 2870), 0.16, 41, 2, 1, 3.4),
    "gevent": ((265, 640, 905), 1.05, 63, 2, 1, 8.8),
    "processes": ((240, 610, 1320), 1.48, 412, 3, 17, 7.9),
    "threads": ((270, 560, 640), 1.42, 71, 19, 1, 14.1),
    "sequential": ((255,), 1.21, 52, 1, 1, 3.6),
}
_DRIFT = (1.0, 0.97, 1.02, 1.01, 0.95)
_ENTRIES = 5000


def _noise(*parts: object) -> float:
    """A factor near 1 that is the same every time."""
    return 1 + 0.02 * math.sin(sum(ord(c) for part in parts for c in str(part)) * 12.9898)


def _measurement(engine: str, place: int, jobs: int, round_: int, *, fails: bool) -> Measurement:
    speeds, cpu, rss, threads, processes, p50 = _ENGINES[engine]
    drift = _DRIFT[(round_ - 1) % len(_DRIFT)] * _noise(engine, jobs, round_)
    failed = 30 if fails else 0
    done = _ENTRIES - failed
    used = cpu * done / 1000 * _noise(engine, round_, jobs, "cpu")
    slowdown = jobs * speeds[0] / speeds[place]
    quantiles = [p50 * slowdown * factor / 1000 * _noise(factor, round_) for factor in (1, 2.6, 5.5)]
    return Measurement(
        engine=engine,
        jobs=jobs,
        round=round_,
        seconds=done / speeds[place] / drift,
        done=done,
        skipped=0,
        failed=failed,
        left=0,
        size=done * 10_240,
        attempts=_ENTRIES + 12 + place,
        retries=12 + place,
        errors={"http 404": 24, "timeout": 6} if fails else {},
        user=used * 0.7,
        system=used * 0.3,
        rss=int(rss * 2**20 * (1 + 0.1 * place) * _noise("rss", round_)),
        threads=threads,
        processes=processes,
        first_byte=None if engine == "processes" else Quantiles(*(each * 0.6 for each in quantiles)),
        file=Quantiles(*quantiles),
        active=jobs * 0.9,
        waited=0.6,
        machine=0.4,
        blocked=0.01,
    )


def _row(taken: list[Measurement], best: list[Measurement]) -> Row:
    first = taken[0]

    def spread(name: str) -> Spread | None:
        all_of_it = [getattr(each, name) for each in taken]
        return None if None in all_of_it else Spread(*(figure(part) for part in zip(*all_of_it, strict=True)))

    errors: dict[str, int] = {}
    for each in taken:
        for kind, many in each.errors.items():
            errors[kind] = errors.get(kind, 0) + many
    return Row(
        engine=first.engine,
        jobs=first.jobs,
        rounds=len(taken),
        seconds=figure([each.seconds for each in taken]),
        files_per_second=figure([each.done / each.seconds for each in taken]),
        bytes_per_second=figure([each.size / each.seconds for each in taken]),
        user=figure([each.user for each in taken]),
        system=figure([each.system for each in taken]),
        cpu_per_file=figure([each.cpu / each.done for each in taken]),
        rss=figure([each.rss for each in taken]),
        threads=first.threads,
        processes=first.processes,
        first_byte=spread("first_byte"),
        file=spread("file"),
        done=figure([each.done for each in taken]),
        failed=figure([each.failed for each in taken]),
        retries=figure([each.retries for each in taken]),
        errors=errors,
        differing=0,
        ratio=paired_ratio(
            [each.seconds / each.done for each in taken], [each.seconds / each.done for each in best]
        ),
        limit=Limit("cpu", "96 % of a CPU in use")
        if first.engine != "curl"
        else Limit("server", "CPU 31 % in use"),
        is_best=taken is best,
    )


def comparison(jobs: tuple[int, ...] = (1, 4, 16), rounds: int = 5, *, fails: bool = True) -> Comparison:
    """Five engines; `sequential` once, whatever the jobs."""
    places = {1: 0, 4: 1, 16: 2}
    taken = [
        [
            _measurement(engine, places[many] if engine != "sequential" else 0, many, round_, fails=fails)
            for round_ in range(1, rounds + 1)
        ]
        for engine in _ENGINES
        for many in (jobs if engine != "sequential" else (1,))
    ]
    taken.sort(key=lambda some: figure([each.seconds for each in some]).median)
    rows = tuple(_row(some, taken[0]) for some in taken)
    second = rows[1]
    assert second.ratio is not None
    return Comparison(
        about=ABOUT,
        entries=_ENTRIES,
        hosts=3,
        sampled=None,
        rows=rows,
        winner=rows[0].label,
        verdict=f"{rows[0].label} is the fastest: {second.label} takes {second.ratio.value:.2f} times as long.",
        left_out={"dask": "not installed: pip install 'pdl[dask]'"},
        notes=("Server and engines shared one machine, so that the server's CPU is part of what was measured.",),
        measurements=tuple(sorted((each for some in taken for each in some), key=lambda each: each.round)),
        published=True,
    )


def none_came() -> Comparison:
    """All failed: a server that is not there."""
    whole = comparison((16,), 2)
    rows = tuple(
        replace(
            row,
            files_per_second=figure([0.0]),
            bytes_per_second=figure([0.0]),
            cpu_per_file=None,
            first_byte=None,
            file=None,
            done=figure([0]),
            failed=figure([_ENTRIES]),
            errors={"connect": 2 * _ENTRIES},
            ratio=None,
            limit=Limit("nothing", "no file came"),
            is_best=False,
        )
        for row in whole.rows
    )
    measurements = tuple(
        replace(each, done=0, failed=_ENTRIES, size=0, first_byte=None, file=None) for each in whole.measurements
    )
    return replace(
        whole, rows=rows, winner=None, verdict="Nothing can be concluded: no file came.", measurements=measurements,
        left_out={}, notes=(), published=False, interrupted=True,
    )  # fmt: skip


def one_row() -> Comparison:
    """One engine, one round."""
    whole = comparison((4,), 1, fails=False)
    row = replace(whole.rows[0], ratio=paired_ratio([1.0], [1.0]))
    return replace(
        whole, rows=(row,), winner=None, verdict="One contestant alone says nothing of others.", left_out={},
        notes=(), measurements=whole.measurements[:1],
    )  # fmt: skip


def thirty_rows() -> Comparison:
    """More than there are colours."""
    whole = comparison()
    rows = []
    for number in range(30):
        row = whole.rows[number % len(whole.rows)]
        rows.append(replace(row, engine=f"engine-{number // 3}", jobs=4 ** (number % 3), is_best=number == 0))
    return replace(whole, rows=tuple(rows))


def hostile_comparison() -> Comparison:
    """Everything that others name is meant to break out."""
    whole = comparison((1, 16), 3)
    names = iter(HOSTILE)
    rows = tuple(
        replace(
            row,
            engine=next(names, row.engine),
            errors={next(iter(HOSTILE)): 3, "http 404": 1},
            limit=Limit("cpu", HOSTILE[0]),
            seconds=figure([1e-9, 1e15]),
            files_per_second=figure([123456789.0, 0.000001, 1e18]),
        )
        for row in whole.rows
    )
    return replace(
        whole,
        rows=rows,
        about=replace(ABOUT, processor=HOSTILE[0], settings=dict.fromkeys(HOSTILE, HOSTILE[1])),
        verdict=HOSTILE[0] + HOSTILE[2],
        left_out=dict.fromkeys(HOSTILE, HOSTILE[1]),
        notes=HOSTILE,
    )


def _pace(second: int) -> float:
    """Of a run that needs a while to get going, and is slow for a while in its middle."""
    return (1 - math.exp(-second / 6)) * (0.45 if 60 < second < 70 else 1)


def run(*, urls: tuple[str, ...] | None = None) -> RunReport:
    """A run of two minutes over some hosts."""
    if urls is None:
        urls = tuple(f"https://images.example.org/archive/2026/{n:05}/photograph-{n * 7919}.jpg" for n in range(8))
    moments = tuple(
        Moment(
            at=float(second),
            files=150 * _pace(second) * _noise("m", second) ** 4,
            size=24e6 * _pace(second) * _noise("s", second) ** 5,
            active=16.0 if second < 110 else 16 - 1.5 * (second - 110),
        )
        for second in range(120)
    )  # fmt: skip
    return RunReport(
        about=ABOUT,
        account=Account(
            read=16_800,
            done=16_201,
            skipped=310,
            failed=239,
            left=50,
            skipped_by_reason={"exists": 300, "duplicate": 10},
            failed_by_kind={"http 404": 180, "timeout": 41, "dns": 18},
            size=2_641_000_000,
            seconds=120.4,
            stopped="deadline",
        ),
        retries=412,
        moments=moments,
        phases=(
            Phase("dns", 6, 0.31, Quantiles(0.031, 0.12, 0.12)),
            Phase("connect", 112, 3.9, Quantiles(0.028, 0.094, 0.21)),
            Phase("tls", 112, 7.8, Quantiles(0.061, 0.14, 0.33)),
            Phase("wait", 16_852, 906.0, Quantiles(0.041, 0.13, 0.62)),
            Phase("body", 16_201, 871.0, Quantiles(0.036, 0.16, 1.94)),
        ),
        first_byte=Quantiles(0.042, 0.14, 0.7),
        file=Quantiles(0.081, 0.31, 2.6),
        slowest=tuple(
            Slow(url, 14.2 - number, (31 - 2 * number) * 10**6, 1 + number % 3, "failed" if number == 2 else "done")
            for number, url in enumerate(urls)
        ),
        hosts=(
            Host("images.example.org", 12_000, 21, 1_900_000_000, 1300.0),
            Host("static.example.com:8443", 4000, 38, 640_000_000, 420.0),
            Host("mirror.example.net", 201, 162, 101_000_000, 65.0),
            Host("gone.example.invalid", 0, 18, 0, 0.0),
        ),
        more_hosts=3,
        failures=(
            Failures(
                "http 404",
                180,
                tuple(Example(url, "the server answered 404 Not Found", "urls.txt:17") for url in urls[:3]),
            ),
            Failures("timeout", 41, (Example(urls[0], "no byte came for 30 s", "urls.txt:923"),)),
            Failures("dns", 18, (Example("http://gone.example.invalid/a.png", "the name is not known", ""),)),
        ),
        notes=("One host answered 429 and was given a rest of 12 s.",),
    )  # fmt: skip


def ledger_run() -> RunReport:
    """A destination, of which only the ledger is known."""
    whole = run()
    return replace(
        whole, phases=(), first_byte=None, from_ledger=True, notes=(), retries=0,
        moments=tuple(moment._replace(active=None) for moment in whole.moments),
        account=replace(whole.account, stopped=None),
    )  # fmt: skip


def empty_run() -> RunReport:
    """A run of which nothing came."""
    nothing = Account(0, 0, 0, 0, 0, {}, {}, 0, 0.0)
    return RunReport(ABOUT, nothing, 0, (), (), None, None, (), (), 0, ())


def one_moment() -> RunReport:
    """A run that was over at once."""
    whole = run()
    return replace(
        whole,
        moments=(Moment(0.0, 1.0, 10_240.0, None),),
        phases=(Phase("body", 1, 0.0, Quantiles(0.0, 0.0, 0.0)),),
        slowest=whole.slowest[:1],
        hosts=(Host("h", 1, 0, 10_240, 0.0),),
        more_hosts=0,
        failures=(),
    )


def hostile_run() -> RunReport:
    """Everything that others name is meant to break out."""
    whole = run(urls=HOSTILE)
    return replace(
        whole,
        hosts=tuple(Host(name, 1, 1, 10**12, 1e-9) for name in HOSTILE),
        failures=tuple(Failures(name, 10**9, (Example(name, HOSTILE[0], HOSTILE[1]),)) for name in HOSTILE),
        notes=HOSTILE,
        account=replace(whole.account, failed_by_kind=dict.fromkeys(HOSTILE[:3], 79)),
    )


COMPARISONS = {
    "comparison": comparison(),
    "one -j": comparison((16,)),
    "none came": none_came(),
    "one row": one_row(),
    "thirty rows": thirty_rows(),
    "hostile comparison": hostile_comparison(),
}
RUNS = {
    "run": run(),
    "ledger": ledger_run(),
    "empty": empty_run(),
    "one moment": one_moment(),
    "hostile run": hostile_run(),
}
REPORTS = COMPARISONS | RUNS
"""All of them, by what they are."""
