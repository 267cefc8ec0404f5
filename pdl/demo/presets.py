"""Servers to see engines on, each with a story of what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from .knobs import Knobs


@dataclass(frozen=True, slots=True)
class Preset:
    """A server that shows something.

    Args:
        name: for the command.
        knobs: what it is like.
        story: what to look at, in sentences for people.
    """

    name: str
    knobs: Knobs
    story: str


_ALL = (
    Preset(
        "default",
        Knobs(),
        "A server some 20 ms away, a few of its files slow, a few of them troubled. One download after another "
        "adds up all these waits; with some at once, by whatever engine, the longest waits soon are all that "
        "is left.",
    ),
    Preset(
        "lan",
        Knobs(files=1_000, smallest=1_000, largest=20_000, delay=0.001, tail="fixed", special=False),
        "Small files from nearby: there is next to nothing to wait for, so what a file costs in processor time "
        "decides. Threads and coroutines share one core, and a larger -j gains them little; processes use more "
        "cores, but have to start, and to hand over every file; curl does the least for each.",
    ),
    Preset(
        "wan",
        Knobs(
            files=72, smallest=2_000, largest=60_000, delay=0.08, tail="long-tailed", bandwidth=1_000_000,
            special=False,
        ),
        "Far away: every file is waited for, some of them long, and each connection carries little. Waiting takes "
        "no processor, so downloads at once pay, up to the number of files, and threads, coroutines and curl come "
        "close to each other. Processes would wait as well, but one for each download at once has to start first.",
    ),
    Preset(
        "flaky",
        Knobs(
            files=150, smallest=1_000, largest=50_000, delay=0.01, hosts=4, busy=0.04, failing=0.06, reset=0.06,
            special=False,
        ),
        "Some first tries are told to wait (429), to come again (503), or are cut off (a reset connection). All "
        "files come all the same, on every engine after the same requests. The pauses between them are most of the "
        "time for any engine; what differs is how many other files it brings meanwhile.",
    ),
    Preset(
        "many-hosts",
        Knobs(
            files=200, smallest=1_000, largest=30_000, delay=0.02, tail="long-tailed", hosts=50, special=False
        ),
        "A few files from each of many hosts: a connection is hardly made before its host has no more files, so "
        "making connections costs as much as using them. Look at what an engine takes for a file here and in lan, "
        "and at --per-host, which takes little away where hosts are many.",
    ),
)  # fmt: skip

PRESETS = {preset.name: preset for preset in _ALL}
"""All presets by their names."""
