import gzip
import io
import os
import sys
import threading

import pytest

from pdl.errors import SourceError
from pdl.sources import Position, open_source

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")


def take_some(source, wait_until, limit=100):
    taken = []
    wait_until(lambda: taken.extend(source.take(limit)) or taken)
    return [entry.url for entry in taken]


def test_a_line_is_there_as_soon_as_it_was_written(stdin_pipe, wait_until):
    source = open_source("-")
    for number in range(5):
        stdin_pipe.write(b"http://h/%d\n" % number)
        assert take_some(source, wait_until) == [f"http://h/{number}"]

    assert source.take(5) == []
    stdin_pipe.write(b"http://h/las")
    assert source.take(5) == []
    stdin_pipe.write(b"t")
    stdin_pipe.close()
    assert take_some(source, wait_until) == ["http://h/last"]
    wait_until(lambda: source.take(5) is None)
    source.close()


def test_the_first_bytes_alone_are_waited_for(stdin_pipe, wait_until):
    source = open_source("-")
    content = gzip.compress(b"http://h/a\n")
    stdin_pipe.write(content[:2])
    assert source.take(5) == []
    stdin_pipe.write(content[2:])

    assert take_some(source, wait_until) == ["http://h/a"]
    source.close()


def test_lines_of_standard_input_are_named_after_it(stdin_pipe, drain):
    stdin_pipe.write(b"\nnonsense\nhttp://h/")
    stdin_pipe.close()
    source = open_source("-")

    assert source.paths == ()
    assert [entry.where for entry in drain(source)] == ["-:2", "-:3"]
    assert source.position() == Position(None, None)


def test_the_object_itself_is_read_like_its_name(stdin_pipe, drain):
    stdin_pipe.write(b"http://h/\n")
    stdin_pipe.close()

    assert [entry.where for entry in drain(open_source(sys.stdin))] == ["-:1"]


def test_a_pipe_is_read_no_further_ahead_than_its_window(stdin_pipe, wait_until):
    os.set_blocking(stdin_pipe.fileno(), False)
    source = open_source("-")
    written = 0

    def is_stuffed():
        nonlocal written
        written += stdin_pipe.write(b"#" * 65_536) or 0
        return written >= 4 * 65_536

    wait_until(is_stuffed)
    for _ in range(1000):  # the reader has every chance to take more
        written += stdin_pipe.write(b"#" * 65_536) or 0
    pipe_itself = 1 << 20  # a pipe holds 64 KiB, on some systems more

    assert written <= 4 * 65_536 + 65_536 + pipe_itself
    source.close()


def test_close_ends_the_feeder_of_a_silent_pipe_and_leaves_it_open(stdin_pipe, wait_until):
    source = open_source("-")
    assert source.take(1) == []
    source.close()

    wait_until(lambda: not any(thread.name == "pdl-feeder" for thread in threading.enumerate()))
    stdin_pipe.write(b"still there\n")
    assert sys.stdin.readline() == "still there\n"
    assert source.take(1) is None


def test_a_pipe_that_does_not_block_is_read_all_the_same(stdin_pipe, wait_until):
    os.set_blocking(sys.stdin.fileno(), False)
    source = open_source("-")
    assert source.take(1) == []
    stdin_pipe.write(b"http://h/a\n")

    assert take_some(source, wait_until) == ["http://h/a"]
    source.close()


def test_a_terminal_is_read_by_the_line(monkeypatch, wait_until):
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        source = open_source("-")
        os.write(ours, b"http://h/a\n")
        assert take_some(source, wait_until) == ["http://h/a"]
        os.write(ours, b"\x04")  # the end of the file, as one types it
        wait_until(lambda: source.take(1) is None)
        source.close()
        monkeypatch.undo()
    os.close(ours)


def test_a_fifo_waits_for_its_writer(tmp_path, wait_until):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = open_source(path)
    assert source.paths == (str(path),)
    assert source.take(1) == []

    with open(path, "wb", buffering=0) as writer:
        writer.write(b"http://h/a\n")
        assert take_some(source, wait_until) == ["http://h/a"]
        writer.write(b"http://h/b\n")
        assert take_some(source, wait_until) == ["http://h/b"]
    wait_until(lambda: source.take(1) is None)
    source.close()


def test_a_fifo_without_a_writer_does_not_hold_close(tmp_path, wait_until):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = open_source(path)
    source.close()

    assert source.take(1) is None or source.take(1) == []


def test_standard_input_from_a_file_is_read_directly_from_where_it_stands(list_file, monkeypatch, drain):
    threads = set(threading.enumerate())
    with open(list_file(b"skipped\n" + b"http://h/a\n" * 10), encoding="utf-8") as stdin:
        os.lseek(stdin.fileno(), 8, os.SEEK_SET)
        monkeypatch.setattr(sys, "stdin", stdin)
        source = open_source("-")

        assert set(threading.enumerate()) <= threads  # those of other tests may end
        assert source.position() == Position(0)
        assert len(drain(source)) == 10
        assert source.position() == Position(1)
        assert not stdin.closed
        monkeypatch.undo()


@pytest.mark.parametrize(
    "stdin", [io.StringIO("http://h/ü\n"), io.TextIOWrapper(io.BytesIO("http://h/ü\n".encode()), encoding="utf-8")]
)
def test_standard_input_may_be_replaced_by_an_object(stdin, monkeypatch, drain):
    monkeypatch.setattr(sys, "stdin", stdin)

    assert [(entry.url, entry.where) for entry in drain(open_source("-"))] == [("http://h/%C3%BC", "-:1")]


def test_standard_input_that_is_closed_is_told_at_once(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(SourceError, match="closed"):
        open_source("-")


def test_a_pipe_that_cannot_be_read_is_an_error(tmp_path, monkeypatch, drain_urls):
    class Broken:
        def read(self, _size):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", Broken())

    assert drain_urls(open_source("-")) == []
    assert str(drain_urls.error) == "-: Input/output error"


def test_a_device_is_read_like_a_pipe(drain_urls):
    assert drain_urls(open_source(os.devnull)) == []
    assert drain_urls.error is None
