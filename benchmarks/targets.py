"""What pdl wants to reach in a workload, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from results import BASE, Result

Results = Mapping[str, Result]
"""What came of all workloads so far, by name."""


@dataclass(frozen=True)
class Verdict:
    """Whether something was reached.

    Args:
        met: None if it cannot be told, as somebody was not measured.
        found: the figure that it was judged by, in words.
    """

    met: bool | None
    found: str


UNKNOWN = Verdict(met=None, found="not measured")


@dataclass(frozen=True)
class Target:
    """Something to be reached.

    Args:
        text: what it is.
        judge: tells from the result of the workload, and of all so far, whether it is.
    """

    text: str
    judge: Callable[[Result, Results], Verdict]


def speed(times: float, other: str, *own: str) -> Target:
    """So many times as fast as another one, whichever of ours is the fastest."""

    def judge(result: Result, _all: Results) -> Verdict:
        return _judge_speed(result, times, other, own)

    return Target(f"{_or(own)}at least {times:g} times as fast as {other}", judge)


def fastest_peer(times: float) -> Target:
    """So many times as fast as the fastest of the other programs."""

    def judge(result: Result, _all: Results) -> Verdict:
        peer = result.fastest(result.peers())
        return _judge_speed(result, times, peer, ()) if peer else UNKNOWN

    return Target(f"at least {times:g} times as fast as the fastest peer", judge)


def rate(least: float, what: str = "files") -> Target:
    """So many a second."""

    def judge(result: Result, _all: Results) -> Verdict:
        seconds = _median(result, "wall")
        if seconds is None:
            return UNKNOWN
        found = result.count / seconds
        return Verdict(found >= least, f"{found:,.0f} {what}/s")

    return Target(f"at least {least:,.0f} {what}/s", judge)


def either(one: Target, other: Target) -> Target:
    """One of two is enough."""

    def judge(result: Result, results: Results) -> Verdict:
        verdicts = [each.judge(result, results) for each in (one, other)]
        judged = [each.met for each in verdicts if each.met is not None]
        return Verdict(any(judged) if judged else None, ", ".join(each.found for each in verdicts))

    return Target(f"{one.text}, or {other.text}", judge)


def apart(most: float, other: str, own: str = BASE) -> Target:
    """At most so many seconds longer than another one."""

    def judge(result: Result, _all: Results) -> Verdict:
        found = result.later(own, other) if {own, other} <= set(result.finished()) else None
        return UNKNOWN if found is None else Verdict(found < most, f"{found:+.2f} s")

    return Target(f"{own} less than {most:g} s longer than {other}", judge)


def memory(most: float) -> Target:
    """At most so many MiB."""

    def judge(result: Result, _all: Results) -> Verdict:
        found = _median(result, "rss")
        return UNKNOWN if found is None else Verdict(found <= most, f"{found:.0f} MiB")

    return Target(f"at most {most:g} MiB", judge)


def memory_beyond(most: float, workload: str, otherwise: float) -> Target:
    """At most so many MiB more than in another workload, or than the most allowed there, if that was not run."""

    def judge(result: Result, results: Results) -> Verdict:
        found, other = _median(result, "rss"), results.get(workload)
        if found is None:
            return UNKNOWN
        base = None if other is None else _median(other, "rss")
        base = otherwise if base is None else base
        return Verdict(found <= base + most, f"{found:.0f} MiB, {found - base:+.0f}")

    return Target(f"at most {most:g} MiB more than in {workload}", judge)


def first_file(within: float) -> Target:
    """The first file is there after so many seconds."""

    def judge(result: Result, _all: Results) -> Verdict:
        found = _median(result, "first")
        return UNKNOWN if found is None else Verdict(found < within, f"{found:.2f} s")

    return Target(f"the first file in less than {within:g} s", judge)


def _median(result: Result, figure: str) -> float | None:
    """A figure of pdl itself; None if that was not measured."""
    return result.standings[BASE].median(figure) if BASE in result.finished() else None


def _judge_speed(result: Result, times: float, other: str, own: tuple[str, ...]) -> Verdict:
    ours = result.fastest(own or (BASE,))
    found = result.times(other, ours) if ours and other in result.finished() else None
    if found is None:
        return UNKNOWN
    return Verdict(found >= times, f"{ours} {found:.2f} times as fast as {other}")


def _or(own: tuple[str, ...]) -> str:
    return f"{' or '.join(own)} " if own else ""
