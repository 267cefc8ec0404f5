"""pdl against other programs, and against the limit of what Python can do, on files from this machine.

    python benchmarks/peers.py [--workload many ...] [--rounds 5] [--peer NAME ...] [--json FILE]
                               [--scale 1.0] [--jobs N] [--count N]

README.md in this folder says what the workloads are, who takes part, with which options, and how it is measured.
`--list` names both.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from contestants import Contestant, contestants
from courses import Course, Extent, HostsCourse
from measuring import Broken
from nginx import find_program
from results import BASE, Result, Standing
from tables import table
from targets import Results
from turns import in_turns
from workloads import BY_NAME, JOBS, LONG, PROGRAMME, Workload, named

from pdl.report.about import about


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line.

    Args:
        rounds: that count.
        peers: who takes part beside pdl; empty for those of the workload.
        scale: of the number of files.
        jobs: downloads at once, where the workload does not say; None for its default.
        count: URLs of the workload `long`.
    """

    rounds: int
    peers: tuple[str, ...]
    scale: float
    jobs: int | None
    count: int | None

    def extent(self, workload: Workload) -> Extent:
        extent = workload.extent
        if workload is LONG and self.count is not None:
            extent = replace(extent, count=self.count)
        if self.jobs is not None and extent.jobs == JOBS:
            extent = replace(extent, jobs=self.jobs)
        return extent.scaled(self.scale)


class Match:
    """One workload: its course, and those who take part."""

    def __init__(self, workload: Workload, wishes: Wishes, every: dict[str, Contestant]) -> None:
        self._workload, self._extent = workload, wishes.extent(workload)
        self.result = Result(self._extent.count, self._extent.count * self._extent.size, self._extent.jobs)
        self._takers: dict[str, Contestant] = {}
        for name in _asked(workload, wishes.peers, every):
            if why := every[name].missing():
                self.result.left_out[name] = why
            else:
                self._takers[name] = every[name]
        self._rounds = workload.course.rounds or wishes.rounds

    def play(self) -> None:
        """Run it to its end.

        Raises:
            SystemExit: if this machine lacks something that it needs.
        """
        course = self._workload.course(self._extent)
        try:
            for number, name in in_turns(list(self._takers), self._rounds):
                if number or course.warms_up:
                    self._take_turn(course, self._takers[name], number)
        finally:
            course.close()

    def _take_turn(self, course: Course, contestant: Contestant, number: int) -> None:
        standings, name = self.result.standings, contestant.name
        if name not in standings:
            command = contestant.command(course.job(Path("urls.txt"), self._extent.count))
            standings[name] = Standing(command, contestant.version())
        standing = standings[name]
        if standing.broken:
            return
        turn = f"round {number} of {self._rounds}" if number else "to warm up"
        _say(f"{self._workload.name}, {turn}: {name}", end="")
        try:
            figures = course.run(contestant, number)
        except Broken as error:
            standing.broken = str(error)
            _say(f" failed: {error}")
            return
        _say(f" {figures.wall:.2f} s")
        if number:
            standing.rounds[number] = figures


def _asked(workload: Workload, peers: Sequence[str], every: dict[str, Contestant]) -> list[str]:
    """Who takes part in a workload; all curls that are installed stand behind `curl`."""
    wanted = list(workload.contestants)
    if peers:
        if workload.course not in (Course, HostsCourse):  # others know whom they are for
            return [name for name in wanted if name.startswith(BASE) or name in peers]
        wanted = [BASE, *peers]
    found = []
    for name in wanted:
        found += [each for each in every if each.startswith("curl")] if name == "curl" else [name]
    return list(dict.fromkeys(found))


def _record(results: Results, wishes: Wishes) -> dict[str, Any]:
    """All that was measured, and where and with what."""
    told = asdict(about(None))
    told["nginx"] = subprocess.run(
        [find_program(), "-v"], capture_output=True, text=True, check=True
    ).stderr.strip()
    return {
        "about": told,
        "wishes": asdict(wishes),
        "workloads": {name: _recorded(BY_NAME[name], result, results) for name, result in results.items()},
    }


def _recorded(workload: Workload, result: Result, results: Results) -> dict[str, Any]:
    targets = []
    for target in workload.targets:
        verdict = target.judge(result, results)
        targets.append({"text": target.text, "met": verdict.met, "found": verdict.found})
    return {"what": workload.what, **asdict(result), "targets": targets}


def _say(words: str, end: str = "\n") -> None:
    print(words, end=end, file=sys.stderr, flush=True)


def _raise_limit() -> None:
    """Let all programs open as many files as the system allows; a thousand downloads at once need some."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(workloads: Sequence[Workload], wishes: Wishes, to: Path | None) -> None:
    """Play workloads one after another, print each one's table, and write all that is known after each."""
    every = contestants()
    results: dict[str, Result] = {}
    for workload in workloads:
        try:
            match = Match(workload, wishes, every)
            match.play()
        except SystemExit as error:
            print(f"{workload.name} is left out: {error}\n", flush=True)
            continue
        results[workload.name] = match.result
        print(f"{table(workload, match.result, results)}\n", flush=True)
        if to is not None:
            to.write_text(json.dumps(_record(results, wishes), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", default=[each.name for each in PROGRAMME], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", nargs="+", default=[], metavar="NAME", help="take part beside pdl")
    parser.add_argument("--json", type=Path, metavar="FILE", help="receives all that was measured")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of files, for a quick look")
    parser.add_argument("--jobs", type=int, help="downloads at once, where the workload does not say")
    parser.add_argument("--count", type=int, help="URLs of the workload long")
    parser.add_argument("--list", action="store_true", help="name workloads and contestants, and end")
    options = parser.parse_args()
    every = contestants()
    if options.list:
        for each in BY_NAME.values():
            print(f"{each.name:19} {each.what}")
        print()
        for name, contestant in every.items():
            print(f"{name:19} {contestant.missing() or contestant.version()}")
        return
    for name in options.workload:
        if not named(name):
            parser.error(f"there is no workload {name}; --list names them")
    for name in options.peer:
        if name not in every:
            parser.error(f"there is no contestant {name}; --list names them")
    numbers = (options.rounds, options.scale, options.jobs, options.count)
    if any(each is not None and each <= 0 for each in numbers):
        parser.error("rounds, scale, jobs and count are above 0")
    if options.json is not None:  # or all that was measured would be lost
        try:
            options.json.open("a").close()
        except OSError as error:
            parser.error(f"cannot write {options.json}: {error.strerror}")
    _raise_limit()
    workloads = {each.name: each for name in options.workload for each in named(name)}
    wishes = Wishes(options.rounds, tuple(options.peer), options.scale, options.jobs, options.count)
    run(list(workloads.values()), wishes, options.json)


if __name__ == "__main__":
    main()
