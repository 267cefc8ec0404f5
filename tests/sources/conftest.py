import os
import sys
import threading
import time

import pytest

from pdl.model import Malformed


def wait_until(condition, seconds=20):
    """Wait for what a feeder's thread will do; it tells nobody when it has."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until


@pytest.fixture
def drain():
    """All entries of a source; what it raises in the end is in `drain.error`."""

    def drain(source, limit=100):
        entries = []
        drain.error = None
        try:
            while (taken := source.take(limit)) is not None:
                assert len(taken) <= limit
                entries += taken
                if not taken:
                    time.sleep(0.001)
        except Exception as error:
            drain.error = error
        source.close()
        return entries

    return drain


@pytest.fixture
def drain_urls(drain):
    """As `drain`, with the URL of each entry, or the kind of a malformed one."""

    def drain_urls(source, limit=100):
        entries = drain(source, limit)
        drain_urls.error = drain.error
        return [str(entry.kind) if isinstance(entry, Malformed) else entry.url for entry in entries]

    return drain_urls


@pytest.fixture
def list_file(tmp_path):
    def write(content, name="list.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


@pytest.fixture
def stdin_pipe(monkeypatch):
    """Standard input is a pipe; this is the file object of its other end, unbuffered."""
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stdin, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer
        monkeypatch.undo()
        wait_until(lambda: not any(thread.name == "pdl-feeder" for thread in threading.enumerate()))
