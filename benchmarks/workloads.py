"""The programme: what is downloaded, who takes part, and what pdl wants to reach."""

from __future__ import annotations

from dataclasses import dataclass

from courses import (
    CONNECT_TIMEOUT,
    DEAD_HOSTS,
    FOR_EACH,
    Course,
    DeadCourse,
    Extent,
    HostsCourse,
    LongCourse,
    RerunCourse,
)
from nginx import Serving
from targets import (
    Target,
    apart,
    either,
    fastest_peer,
    first_file,
    memory,
    memory_beyond,
    rate,
    speed,
)

JOBS = Extent(0).jobs
"""Downloads at once, where a workload does not say."""

OWN = ("pdl", "pdl:processes+curl")
PEERS = ("curl", "wget2", "aria2c", "xargs curl", "img2dataset", "requests")
ALL = (*OWN, "bare", *PEERS)


@dataclass(frozen=True)
class Workload:
    """One of the programme.

    Args:
        name: of it; of two with a dash in their names, what comes before that stands for both.
        what: it is, in a line.
        extent: how much there is to do.
        contestants: who takes part if nobody else is asked for.
        targets: what pdl wants to reach.
        course: how it is run.
        unit: what is counted: `files/s`, `MB/s`, or `URLs/s` where there are no files to fetch.
    """

    name: str
    what: str
    extent: Extent
    contestants: tuple[str, ...] = ALL
    targets: tuple[Target, ...] = ()
    course: type[Course] = Course
    unit: str = "files/s"


_LATE = Serving(delay=0.05)
_DEAD = f"hosts, and with {DEAD_HOSTS * FOR_EACH} URLs of {DEAD_HOSTS} dead ones, {CONNECT_TIMEOUT} s to connect"

PROGRAMME = (
    Workload(
        "many",
        "60,000 files of 10 KB",
        Extent(60_000),
        (*OWN, "pdl:threads", "pdl:gevent", "bare", *PEERS),
        (
            speed(0.8, "bare", "pdl"),
            speed(1, "wget2", "pdl"),
            speed(3, "aria2c", "pdl"),
            speed(12, "requests", "pdl"),
            speed(1, "curl", *OWN),
            speed(1.2, "requests", "pdl:threads"),
            speed(1.2, "requests", "pdl:gevent"),
            memory(80),
        ),
    ),
    Workload("images", "3,000 files of 70 KB", Extent(3000, 70_000), targets=(fastest_peer(1),)),
    Workload(
        "latency-200",
        "5,000 files of 10 KB, each after 50 ms, 200 at once",
        Extent(5000, jobs=200, serving=_LATE),
        targets=(fastest_peer(1),),
    ),
    Workload(
        "latency-1000",
        "5,000 files of 10 KB, each after 50 ms, 1,000 at once",
        Extent(5000, jobs=1000, serving=_LATE),
        targets=(either(rate(8000), fastest_peer(1.5)),),
    ),
    Workload(
        "big",
        "one file of 2 GB",
        Extent(1, 2_000_000_000, jobs=1),
        ("pdl", "bare", "curl", "wget2", "aria2c", "requests"),
        (speed(1, "curl", "pdl"),),
        unit="MB/s",
    ),
    Workload(
        "throttled",
        "one file of 32 MB, at 2 MB/s over one connection, 8 connections for those who can",
        Extent(1, 32_000_000, jobs=8, serving=Serving(rate=2_000_000), streams=8),
        ("pdl", "pdl:split", "curl", "wget2", "aria2c"),
        (speed(7, "pdl", "pdl:split"), speed(1, "aria2c", "pdl:split")),
        unit="MB/s",
    ),
    Workload(
        "tls-1.1",
        "5,000 files of 10 KB over TLS, HTTP/1.1",
        Extent(5000, serving=Serving(tls=True)),
        targets=(fastest_peer(1),),
    ),
    Workload(
        "tls-2",
        "5,000 files of 10 KB over TLS, HTTP/2 for those who speak it",
        Extent(5000, serving=Serving(tls=True, http2=True)),
        targets=(fastest_peer(1),),
    ),
    Workload(
        "hosts",
        "20,000 files of 10 KB from 5,000 hosts",
        Extent(20_000, serving=Serving(everywhere=True)),
        targets=(fastest_peer(1.5),),
        course=HostsCourse,
    ),
    Workload(
        "dead",
        _DEAD,
        Extent(20_000, serving=Serving(everywhere=True)),
        ("pdl", "pdl +dead"),
        (apart(2 * CONNECT_TIMEOUT, "pdl", "pdl +dead"),),
        DeadCourse,
    ),
    Workload(
        "rerun",
        "1,000,000 URLs whose files are there",
        Extent(1_000_000, 32),
        ("pdl",),
        (rate(100_000, "URLs"),),
        RerunCourse,
        "URLs/s",
    ),
    Workload("start", "one file of 10 KB", Extent(1), ("pdl", "curl", "wget2", "aria2c"), (apart(0.25, "curl"),)),
)

LONG = Workload(
    "long",
    "10,000,000 URLs on standard input, each of 32 bytes",
    Extent(10_000_000, 32),
    ("pdl",),
    (memory_beyond(20, "many", 80), first_file(1)),
    LongCourse,
)
"""Takes its time and gigabytes of memory, so it is only run when it is asked for."""

BY_NAME = {each.name: each for each in (*PROGRAMME, LONG)}


def named(name: str) -> list[Workload]:
    """The workloads that a name stands for: one, several (`latency`, `tls`), or none."""
    return [each for each in BY_NAME.values() if name in (each.name, each.name.rpartition("-")[0])]
