"""What can only be seen in a program of its own: its exit, its memory, gevent's patches."""

import os
import subprocess
import sys
import textwrap

import pytest

DRAIN = """
import itertools, os, sys, threading, time
from pdl.sources import open_source
def drain(source):
    urls = []
    while (taken := source.take(100)) is not None:
        urls += [entry.url for entry in taken]
        if not taken:
            time.sleep(0.001)
    source.close()
    return urls
"""


def run(code, stdin=subprocess.DEVNULL, prelude=""):
    code = prelude + DRAIN + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """What the program printed, once it has ended well by itself; its standard input stays open until then."""
    with process:
        try:
            assert process.wait(30) == 0, process.stderr.read()
        finally:
            process.kill()
        assert process.stderr.read() == ""
        return process.stdout.read().split()


@pytest.mark.parametrize("given", ["'-'", "sys.stdin", "os.fdopen(0)"])
@pytest.mark.parametrize("ending", ["source.close()", "sys.exit()", "pass"])
def test_a_program_ends_while_its_standard_input_is_silent(given, ending):
    process = run(
        f"""
        source = open_source({given})
        while not source.take(1):
            time.sleep(0.001)
        {ending}
        """,
        stdin=subprocess.PIPE,
    )
    process.stdin.write("http://h/a\n")
    process.stdin.flush()

    assert ended(process) == []


def test_a_program_ends_while_a_generator_hangs():
    process = run(
        """
        def hanging():
            yield "http://h/a"
            threading.Event().wait()
        source = open_source(hanging())
        while not source.take(1):
            time.sleep(0.001)
        source.close()
        """
    )

    assert ended(process) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_everything_works_where_gevent_has_patched_the_program(tmp_path):
    pytest.importorskip("gevent")
    (tmp_path / "list").write_text("http://h/file\n")
    process = run(
        f"""
        import gevent
        from gevent import socket
        os.mkfifo({str(tmp_path / "fifo")!r})
        turns = itertools.count()
        def tick():
            while True:
                next(turns)
                gevent.sleep(0.001)
        gevent.spawn(tick)

        def endless():
            for number in itertools.count():
                time.sleep(0.001)
                yield f"http://h/{{number}}"
        source = open_source(endless(), window=4)
        urls = []
        while len(urls) < 20:
            urls += [entry.url for entry in source.take(3)]
            time.sleep(0)
        source.close()
        assert urls == [f"http://h/{{number}}" for number in range(len(urls))]

        def write():
            gevent.sleep(0.05)
            with open({str(tmp_path / "fifo")!r}, "wb", buffering=0) as fifo:
                fifo.write(b"http://h/fifo\\n")
                gevent.sleep(0.05)
        gevent.spawn(write)
        print(*drain(open_source({str(tmp_path / "fifo")!r})))
        print(*drain(open_source({str(tmp_path / "list")!r})))
        print(*drain(open_source(["http://h/item"])))

        source, before = open_source("-"), next(turns)
        while next(turns) < before + 20:
            assert source.take(1) == []
            time.sleep(0.001)
        source.close()
        print("turns")
        """,
        stdin=subprocess.PIPE,
        prelude="import gevent.monkey\ngevent.monkey.patch_all()\n",
    )

    assert ended(process) == ["http://h/fifo", "http://h/file", "http://h/item", "turns"]


def test_a_list_on_a_pipe_needs_no_memory_for_its_length():
    pytest.importorskip("resource")
    process = run(
        """
        import resource
        def lines():
            with os.fdopen(writing, "wb") as pipe:
                for number in range(200_000):
                    pipe.write(b"http://h/%d/with/a/path/as/lists/have/them.jpg\\n" % number)
        reading, writing = os.pipe()
        threading.Thread(target=lines, daemon=True).start()
        sys.stdin = os.fdopen(reading)
        source = open_source("-")
        count, first = 0, 0
        while (taken := source.take(100)) is not None:
            count += len(taken)
            if not taken:
                time.sleep(0.001)
            if count >= 10_000 and not first:
                first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        source.close()
        sys.stdin.close()
        unit = 1 if sys.platform == "darwin" else 1024
        print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) * unit)
        """
    )

    count, growth = map(int, ended(process))
    assert count == 200_000
    assert growth < 3 << 20


def test_the_libraries_that_decompress_are_loaded_only_when_needed(tmp_path):
    (tmp_path / "list").write_text("http://h/a\n")
    process = run(
        f"""
        drain(open_source({str(tmp_path / "list")!r}))
        print(*sys.modules.keys() & {{"bz2", "lzma", "zstandard", "idna", "requests", "gevent"}})
        """
    )

    assert ended(process) == []
