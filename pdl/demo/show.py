"""The demo from its beginning to its account."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from pdl.settings import Settings

from .outcome import Witness, differences
from .process import DemoServer


@contextmanager
def open_demo(settings: Settings, *, temporary: bool) -> Iterator[Demo]:
    """A demonstration whose server is there as long as this is entered.

    Args:
        settings: as the user gave them.
        temporary: use a new folder as the destination; it stays, to be looked at, unless it is empty.

    Raises:
        PdlError: the server did not start.
    """
    dest = tempfile.mkdtemp(prefix="pdl-demo-") if temporary else settings.dest
    # a proxy of the environment would look for our server on its own machine
    proxy = "" if settings.proxy is None else settings.proxy
    try:
        with DemoServer() as server:
            yield Demo(replace(settings, dest=dest, proxy=proxy), server)
    finally:
        if temporary:
            with suppress(OSError):  # it is not empty
                os.rmdir(dest)


@dataclass(frozen=True)
class Demo:
    """A demonstration, and what people are told of it.

    Args:
        settings: for its run.
        server: what it downloads from.
        witness: a reporter that the run must have.
    """

    settings: Settings
    server: DemoServer
    witness: Witness = field(default_factory=Witness)

    @property
    def opening(self) -> str:
        """What there is to be downloaded."""
        return f"{len(self.server.urls)} files at {self.server.base}, a server on this machine"

    @property
    def place(self) -> str:
        """Where the files are."""
        return f"the files are in {self.settings.dest}"

    def unplanned(self) -> str:
        """What did not go as planned, in a line; empty if everything did."""
        server = self.server
        found = list(differences(server.table, server.base, self.witness, self.settings.dest))
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return found[0] + others if found else ""

    def account(self) -> Iterator[str]:
        """What went as planned, in lines."""
        listed = [each for each in self.server.table if each.listed]
        done = sum(each.ends == 200 for each in listed)
        yield f"as planned: {done} files, byte for byte as served, and {len(listed) - done} failure"
        special = [each for each in listed if each.note]
        width = max(len(each.name) for each in special)
        yield from (f"  {each.name:{width}}  {each.note}" for each in special)
