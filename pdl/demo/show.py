"""The demo from its beginning to its account."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pdl.settings import Settings

from .knobs import Knobs
from .limit import measure_limit
from .outcome import Witness, differences
from .plan import Served
from .presets import PRESETS, Preset
from .process import DemoServer

_DEFAULT = PRESETS["default"]


@contextmanager
def open_demo(
    settings: Settings, *, temporary: bool, preset: Preset = _DEFAULT, knobs: Knobs | None = None
) -> Iterator[Demo]:
    """A demonstration whose server is there as long as this is entered.

    Args:
        settings: as the user gave them.
        temporary: use a new folder as the destination; it stays, to be looked at, unless it is empty.
        preset: which server.
        knobs: of the server, where they are others than the preset's.

    Raises:
        PdlError: the server did not start.
    """
    dest = tempfile.mkdtemp(prefix="pdl-demo-") if temporary else settings.dest
    # a proxy of the environment would look for our server on its own machine
    proxy = "" if settings.proxy is None else settings.proxy
    try:
        with DemoServer(preset.knobs if knobs is None else knobs) as server:
            yield Demo(replace(settings, dest=dest, proxy=proxy), server, preset)
    finally:
        if temporary and set(os.listdir(dest)) <= {".pdl"}:
            shutil.rmtree(dest, ignore_errors=True)


@dataclass(frozen=True)
class Demo:
    """A demonstration, and what people are told of it.

    Args:
        settings: for its run.
        server: what it downloads from.
        preset: that the server was made by.
        witness: a reporter that the run must have.
    """

    settings: Settings
    server: DemoServer
    preset: Preset = _DEFAULT
    witness: Witness = field(default_factory=Witness)

    @property
    def opening(self) -> str:
        """What there is to be downloaded."""
        hosts = len(self.server.bases)
        others = f" and {hosts - 1} more" if hosts > 1 else ""
        return f"{len(self.server.urls)} files at {self.server.base}{others}, a server on this machine"

    def notes(self, *, told: bool) -> Iterator[str]:
        """What a report must say of the server, which was measured for a second.

        Args:
            told: the preset's story as well.
        """
        if told:
            yield f"{self.preset.name}: {self.preset.story}"
        limit = measure_limit(self.server.knobs)
        processes = "one process" if limit.processes == 1 else f"{limit.processes} processes"
        yield (
            f"the demo's server, {processes} on this machine, answers at most about {limit.rate:,.0f} requests/s "
            f"and {limit.speed / 1e6:,.0f} MB/s with these files, without delays and asked by one process"
        )

    @property
    def has_files(self) -> bool:
        """Something is where the files go."""
        return bool(set(os.listdir(self.settings.dest)) - {".pdl"})

    @property
    def place(self) -> str:
        """Where the files are."""
        return f"the files are in {self.settings.dest}"

    def unplanned(self) -> str:
        """What did not go as planned, in a line; empty if everything did."""
        server = self.server
        found = list(differences(server.table, server.bases, self.witness, self.settings.dest))
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return found[0] + others if found else ""

    def account(self) -> Iterator[str]:
        """What went as planned, in lines."""
        listed = [each for each in self.server.table if each.listed]
        done = sum(each.ends == 200 for each in listed)
        failures = f", and {len(listed) - done} failure" if done < len(listed) else ""
        yield f"as planned: {done} files, byte for byte as served{failures}"
        special = [each for each in listed if each.note]
        width = max((len(each.name) for each in special), default=0)
        yield from (f"  {each.name:{width}}  {each.note}" for each in special)
        yield from _faults(listed)


def _faults(listed: Iterable[Served]) -> Iterator[str]:
    """How many files, beside the special ones, had which fault at their first try."""
    first = [each.replies[0] for each in listed if not each.note]
    counts = Counter("a connection that was reset" if reply.reset else f"a {reply.status}" for reply in first)
    yield from (f"  {count} of them after {fault}" for fault, count in sorted(counts.items()) if fault != "a 200")
