"""The table of faults: what goes wrong with downloads, what pdl makes of it, and which tests have seen that.

A test that covers a row carries `@pytest.mark.fault(12)`, with as many numbers as it covers, and with `engine=` if
it is about one engine. `--fault-table=FILE` writes what has passed into a file. A row that no test has covered, or
not on every engine that can be used here, is shown in it and fails the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

COMMAND = "python -m pytest --fault-table=docs/faults.md"


class Row(NamedTuple):
    """One fault.

    Args:
        fault: in a few words.
        outcome: what pdl gives.
        engines: who has to show it: `all`, the names of some, or empty where no engine has a part in it.
        later: what has to be there first, for a fault that pdl cannot meet yet.
    """

    fault: str
    outcome: str
    engines: str = "all"
    later: str = ""


_SHARED = ""  # decided before an engine gets to see anything, or after

ROWS: dict[int, Row] = {
    1: Row("fewer bytes than Content-Length", "`truncated`; tried again, continued under a strong validator"),
    2: Row("chunks that stop, or a trailer that is cut", "`truncated`; tried again"),
    3: Row("chunk sizes that are no numbers, too large or too small", "`protocol`; tried again once"),
    4: Row("the connection is reset within the body", "`reset`; tried again, continued"),
    5: Row("TLS ends without its closing alert", "`truncated` where only the end frames the body; tried again"),
    6: Row("the connection ends before a byte of the reply", "a new one at once if it was re-used, else `reset`"),
    7: Row("the head is cut before its blank line", "`reset`; tried again; never an empty file"),
    8: Row("nothing comes, or nothing more", "`timeout`; tried again"),
    9: Row("bytes that drip in for ever", "`timeout`, by the least speed or the time for the file"),
    10: Row("the whole file instead of the rest", "taken from its first byte; nothing is appended"),
    11: Row("a Content-Range that is not what was asked for", "fetched again from the start"),
    12: Row("206 that nobody asked for", "`protocol`; no file"),
    13: Row("416 to the request for the rest", "done if all bytes are there, else fetched from the start"),
    14: Row("the file changes between two tries", "no splicing: the new version, from the start"),
    15: Row("a host that answers If-Range with whole files always", "its files are not continued any more"),
    16: Row("304 or 412 to the request for the rest", "fetched again from the start"),
    17: Row("a coding in spite of `Accept-Encoding: identity`", "never mistaken for the file"),
    18: Row("a coded body with a Content-Length", "the length counts the bytes as they are sent"),
    19: Row("a coded body that is cut, broken or a bomb", "`coding`, `truncated` or `too-large`; no file"),
    20: Row("a Content-Length that is no number, or two that differ", "`protocol`; the connection ends"),
    21: Row("Content-Length beside chunks", "the chunks count; the connection is not used again"),
    22: Row("more bytes than Content-Length", "the bytes of the length; the connection is not used again"),
    23: Row("redirects in a circle or without end", "`redirect` after `--max-redirects`, with the last hops"),
    24: Row("a redirect to another origin", "followed without credentials and fields of the user"),
    25: Row("another scheme than http and https", "`blocked`, in the list and in redirects"),
    26: Row("addresses of the inner network or of metadata services", "`blocked` where they are not allowed"),
    27: Row("user and password in a URL", "sent to their origin alone, and never shown"),
    28: Row("429 or 503 with Retry-After", "the host is left alone that long, or given up; garbage is no hint"),
    29: Row("other error statuses", "`http`; tried again if it may pass; the body is no file"),
    30: Row("informational responses without end", "`protocol` after 64; alone they are no reply"),
    31: Row("204, 205, a 304 unasked, a length of 0", "`empty`, `empty`, `protocol`, an empty file"),
    32: Row("a page where a file should be", "`content-type` with `--accept`; without it nothing is checked"),
    33: Row("a name from the server that leads elsewhere", "made safe like any other, where it is asked for"),
    34: Row("names that are dangerous, reserved or too long", "a safe name of at most 255 bytes"),
    35: Row("two URLs with one name, or a URL twice", "decided by the order of the list"),
    36: Row("names that only some file systems tell apart", "taken for the same everywhere"),
    37: Row("a flood of fields, or a field without end", "`protocol`"),
    38: Row("a body without end", "`too-large` with `--max-filesize`"),
    39: Row("the disk is full, when written to or when closed", "the run stops, parts stay, exit code 5"),
    40: Row("the disk refuses a file, or all of them", "`disk` or `name`; the run ends if it is all of them"),
    41: Row("links and pipes planted where files go", "neither followed nor replaced, or unlinked as a part"),
    42: Row("another file in the place of a part that is dropped", "it stays"),
    43: Row("a kill at any moment", "no half file under a final name; the next run goes on"),
    44: Row("the power fails", "the file is on the disk before its name and its row, with `--durable`"),
    45: Row("SIGINT, SIGTERM, SIGHUP, once and twice", "a clean end within seconds; the second one at once"),
    46: Row("a second run in the same destination", "refused, with the process that holds it", _SHARED),
    47: Row("names that do not exist, or do not resolve in time", "`dns` or `timeout`; an unknown one once more"),
    48: Row("addresses that do not answer, before one that does", "that one, without waiting for the others"),
    49: Row("certificates and versions of TLS that are not to be trusted", "`tls`; not tried again"),
    50: Row("a proxy that is not there or refuses", "`proxy`; no direct connection instead"),
    51: Row("no descriptors left", "fewer at once, and waiting; no entry fails for it"),
    52: Row("the clock of this machine or of the server is wrong", "nothing: time is measured, dates are held "
            "against the server's own"),
    53: Row("what carries a download dies or raises", "started again once for nothing, then `worker`"),
    54: Row("objects that cannot go between processes", "plain values only; what cannot go costs itself alone",
            "processes"),
    55: Row("threads, hubs and libraries in a process that forks", "workers start clean; nothing is patched"),
    56: Row("a worker of a cluster is lost", "its downloads start again", later="an engine for clusters"),
    57: Row("a list of garbage", "`input` with file and line; the rest is fetched; nothing breaks out"),
    58: Row("content that was replaced", "`digest` where the list has one; no file"),
    59: Row("too much for one host", "limits and pauses a host, an honest User-Agent"),
    60: Row("one span of a file contradicts the others", "fetched again in one piece; nothing is spliced"),
}  # fmt: skip


class Difference(NamedTuple):
    """Where an engine cannot give what the others give, because a library hides the fact from it.

    Args:
        row: of the fault.
        where: engines and circumstances.
        what: comes instead.
        why: the library's part in it.
    """

    row: int
    where: str
    what: str
    why: str


DIFFERENCES = (
    Difference(
        4,
        "all engines but `curl`, on a Python with OpenSSL before 3",
        "a reset within a TLS body is called `truncated` instead of `reset`; both are tried again and continued",
        "Python's `ssl` gives the same error for both",
    ),
    Difference(
        22,
        "`curl` on systems without epoll (macOS, Windows)",
        "an answer that nobody asked for, over a connection that was used less than a second ago, "
        "is taken for the next one",
        "libcurl looks at a connection that it kept only after a second, and does not say which it kept",
    ),
)
"""The README has them as a table, which a test holds equal."""


class Seen(NamedTuple):
    """A test that covers rows, as it went."""

    rows: tuple[int, ...]
    engine: str | None
    test: str


def covering(rows: Mapping[str, Collection[int]]) -> list[Any]:
    """The parameters of a test, each with the rows that the test covers by it."""
    return [pytest.param(each, marks=[pytest.mark.fault(*found)] if found else []) for each, found in rows.items()]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", metavar="FILE", help="write the table of the faults that were passed")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--fault-table")
    if path and not hasattr(config, "workerinput"):  # workers of xdist only report
        config.pluginmanager.register(FaultTable(Path(path).absolute()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each report carry the rows that its test covers, over to the process that collects them."""
    for item in items:
        marks = list(item.iter_markers("fault"))
        rows = sorted({row for mark in marks for row in mark.args})
        if unknown := set(rows) - set(ROWS):
            raise pytest.UsageError(f"{item.nodeid} covers rows that there are none of: {unknown}")
        if rows:
            item.user_properties.append(("faults", [rows, _engine(item, marks)]))


def _engine(item: pytest.Item, marks: list[pytest.Mark]) -> str | None:
    """The engine that a test is about: the fixture's, or the one that its mark names."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    named = [mark.kwargs["engine"] for mark in marks if "engine" in mark.kwargs]
    return params.get("engine_name") or (named[0] if named else None)


class FaultTable:
    """Collects what passes, and writes it down at the end.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[str, Seen] = {}
        self._failed: set[str] = set()
        self._faults: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.passed and report.when == "call" and "faults" in (properties := dict(report.user_properties)):
            rows, engine = properties["faults"]
            self._seen[report.nodeid] = Seen(tuple(rows), engine, report.nodeid.partition("[")[0])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        passed = [seen for node, seen in self._seen.items() if node not in self._failed]
        text, self._faults = table(passed, usable_engines())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(text, encoding="utf-8")
        if self._faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for fault in self._faults:
            terminalreporter.write_line(f"table of faults: {fault}", red=True)


def usable_engines() -> list[str]:
    """The registered engines that can be used here."""
    from pdl import engines  # noqa: PLC0415 - tests without an engine should run while engines are broken

    missing = engines.available()
    return [name for name in engines.names() if not missing[name]]


def table(passed: list[Seen], engines: list[str]) -> tuple[str, list[str]]:
    """The document, and what is wrong with it."""
    lines, faults = [], []
    for number, row in ROWS.items():
        seen = [each for each in passed if number in each.rows]
        on, missing = _where(row, seen, engines)
        if missing:
            faults.append(f"row {number} ({row.fault}): {missing}")
        cells = (str(number), row.fault, row.outcome, missing or on, "<br>".join(_names(seen)))
        lines.append(f"| {' | '.join(cells)} |")
    return INTRODUCTION + "\n".join(lines) + "\n", faults


def _where(row: Row, seen: list[Seen], engines: list[str]) -> tuple[str, str]:
    """On which engines a row was passed, and what is missing, if something is."""
    if row.later:
        return f"later: {row.later}", ""
    if not seen:
        return "", "**missing**"
    if not row.engines:
        return "engine-independent", ""
    on = {each.engine for each in seen}
    wanted = engines if row.engines == "all" else row.engines.split()
    if lacking := [name for name in wanted if name not in on and name in engines]:
        return "", f"**missing on {', '.join(lacking)}**"
    return row.engines, ""


def _names(seen: list[Seen]) -> Iterator[str]:
    """The tests by file; each function once, however many variants it has."""
    by_file: dict[str, dict[str, None]] = defaultdict(dict)
    for each in sorted(seen, key=lambda each: each.test):
        file, _, name = each.test.partition("::")
        by_file[file.removeprefix("tests/")][name] = None
    for file, names in by_file.items():
        yield f"{file}: {', '.join(f'`{name}`' for name in names)}"


INTRODUCTION = f"""\
# Faults, and what has shown that they are met

Each row is something that goes wrong with downloads: on the network, in a server, on the disk, in a process or in a
list. The third column is what pdl makes of it; the words in code are the kinds of failures in the README's table.
The fourth says on which engines a test has met the fault and passed: `all` of them, some, or none where it is
decided before an engine sees anything. The last has these tests, below `tests/`. A run of all tests makes the file:

    {COMMAND}

| | fault | outcome | engines | tests |
|---|---|---|---|---|
"""
