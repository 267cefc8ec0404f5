import io
import os
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.model import Notice, Progress, Result, Running
from pdl.progress import (
    BarReporter,
    LineReporter,
    OutcomeLog,
    Silent,
    Tee,
    closing_lines,
    fault,
    hears_results,
    printable,
    reporter_for,
)
from pdl.progress.outlet import Outlet
from pdl.progress.pace import Pace, share
from pdl.progress.text import amount, duration, fitted


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and what stands on its screen in the end."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def rows(self):
        rows, row, column = [""], 0, 0
        for piece in re.findall(r"\x1b\[A|[\r\n]|[^\r\n\x1b]+", self.getvalue()):
            if piece == "\x1b[A":
                row -= 1
            elif piece == "\r":
                column = 0
            elif piece == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            else:
                rows[row] = rows[row][:column].ljust(column) + piece + rows[row][column + len(piece) :]
                column += len(piece)
        return [row.rstrip() for row in rows]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def a_common_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def progress(ended=0, total=None, **fields):
    given = {"read": ended, "done": ended, "skipped": 0, "failed": 0, "size": 0, "seconds": 0.0}
    return Progress(**given | {"fraction": None, "total": total} | fields)


FAILED = Result(
    7,
    "failed",
    "https://example.org/a.jpg",
    kind=Kind.HTTP,
    http_status=404,
    message="the server has no such file",
    where="urls.txt:7",
)
DONE = Result(8, "done", "https://example.org/b.jpg", path="x/b.jpg", size=12_345)
SKIPPED = Result(9, "skipped", "https://example.org/c.jpg", path="c.jpg", reason="exists")


# -- text


@given(st.text(st.characters()))
def test_what_is_printed_can_be_printed(text):
    escaped = printable(text)
    assert escaped.isprintable()
    escaped.encode("utf-8")


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain é 画", "plain é 画"),
        ("\x1b[31mred\r\n", "\\x1b[31mred\\r\\n"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("\ud800\x9b\x7f", "\\ud800\\x9b\\x7f"),
    ],
)
def test_what_does_not_show_is_escaped(text, escaped):
    assert printable(text) == escaped


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.00 kB"),
        (1000, "1.00 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (12_345_678, "12.3 MB"),
        (999_600_000, "1.00 GB"),
        (5e15, "5.00 PB"),
        (5e19, "50000 PB"),
    ],
)
def test_bytes_have_three_digits(size, text):
    assert amount(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (90061, "25:01:01")])
def test_times_are_read_like_a_clock(seconds, text):
    assert duration(seconds) == text


@given(st.text("ab/画像"), st.integers(2, 20))
def test_fitted_text_has_its_width(text, columns):
    assert sum(2 if c in "画像" else 1 for c in fitted(text, columns)) == columns


@pytest.mark.parametrize(
    ("text", "fits"), [("a.jpg", "a.jpg     "), ("画像.jpg", "画像.jpg  "), ("long/path/b.jpg", "..th/b.jpg")]
)
def test_of_a_long_name_the_end_stays(text, fits):
    assert fitted(text, 10) == fits


# -- pace


def test_speed_is_that_of_the_last_seconds():
    pace = Pace()
    for second in range(100):
        pace.learn(progress(size=1000 * second if second < 50 else 49_000 + 10 * (second - 49), seconds=second))
    assert pace.speed == pytest.approx(10)


def test_a_restarted_download_is_no_negative_speed():
    pace = Pace()
    pace.learn(progress(size=1000, seconds=0))
    pace.learn(progress(size=10, seconds=1))
    assert pace.speed == 0


def test_skipping_what_is_done_promises_nothing_for_the_rest():
    pace = Pace()
    pace.learn(progress(done=0, skipped=0, total=1000, seconds=0))
    pace.learn(progress(done=0, skipped=500, total=1000, seconds=1))
    assert pace.left is None
    pace.learn(progress(done=50, skipped=500, total=1000, seconds=11))
    assert pace.left == pytest.approx(90)


def test_without_a_known_end_there_is_no_time_left():
    pace = Pace()
    pace.learn(progress(5, seconds=1))
    pace.learn(progress(9, seconds=2))
    assert pace.left is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ended": 5, "total": 10}, 0.5),
        ({"ended": 0, "total": 0}, 1.0),
        ({"ended": 9, "total": 8}, 1.0),
        ({"ended": 5, "fraction": 0.25}, 0.25),
        ({"ended": 5, "fraction": 1.5}, 1.0),
        ({"ended": 5}, None),
    ],
)
def test_the_share_comes_from_the_total_or_else_from_the_position(given, expected):
    assert share(progress(**given)) == expected


# -- lines


def test_a_line_comes_every_ten_seconds_and_nothing_else(clock):
    stream = io.StringIO()
    reporter = LineReporter(Outlet(stream), clock)
    for tick in range(251):
        clock.now = 1000 + tick / 10
        reporter.on(progress(done=tick, skipped=3, failed=1, total=1000, size=tick * 1_000_000, seconds=tick / 10))
        reporter.on(FAILED)
        reporter.on(Notice("hello"))
    reporter.close()
    assert stream.getvalue().splitlines() == [
        "[0:10] 10 %, 104 of 1,000, done 100, skipped 3, failed 1, 100 MB, 10.0 MB/s, ETA 1:30",
        "[0:20] 20 %, 204 of 1,000, done 200, skipped 3, failed 1, 200 MB, 10.0 MB/s, ETA 1:20",
    ]


def test_a_line_says_no_more_than_is_known(clock):
    stream = io.StringIO()
    reporter = LineReporter(Outlet(stream), clock)
    clock.now += 10
    reporter.on(progress(1234, seconds=10.0))
    assert stream.getvalue() == "[0:10] done 1,234, skipped 0, failed 0, 0 B, 0 B/s, ETA ?\n"


# -- outcomes


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (0, []),
        (1, ["failed  http 404  https://example.org/a.jpg  urls.txt:7  the server has no such file"]),
        (
            2,
            [
                "failed  http 404  https://example.org/a.jpg  urls.txt:7  the server has no such file",
                "done  x/b.jpg  12.3 kB  https://example.org/b.jpg",
                "skipped  exists  c.jpg  https://example.org/c.jpg",
            ],
        ),
    ],
)
def test_verbosity_decides_which_outcomes_are_told(verbosity, expected):
    lines = []
    log = OutcomeLog(lines.append, verbosity)
    for event in (progress(1), FAILED, DONE, SKIPPED):
        log.on(event)
    log.close()
    assert lines == expected


def test_notices_are_always_told_and_nothing_foreign_moves_the_cursor():
    lines = []
    log = OutcomeLog(lines.append, 1)
    log.on(Notice("certificates\x1b[2J are not checked\nat all"))
    log.on(Result(1, "failed", "not a\rURL", kind=Kind.INPUT, message="bad\n"))
    assert lines == ["certificates\\x1b[2J are not checked", "at all", "failed  input  not a\\rURL  bad\\n"]


def test_a_fault_is_its_kind_and_for_http_its_status():
    assert fault(Kind.HTTP, 503) == "http 503"
    assert fault(Kind.DNS, None) == "dns"
    assert fault(Kind.TLS, 200) == "tls"


# -- bars


def test_the_bar_shows_the_whole_list(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), clock=clock)
    for tick in range(11):
        reporter.on(
            progress(tick * 45, 1000, failed=tick // 4, size=tick * 10**8, seconds=float(tick)),
        )
        clock.now += 1
    [row] = terminal.rows()
    assert re.fullmatch(r" 45% \|█{9,}.? +\| 452/1,000, 2 failed, 100 MB/s, ETA 0:12, 1\.00 GB", row)
    assert len(row) == 79
    reporter.close()
    assert terminal.rows() == [row, ""]


def test_without_a_known_end_there_is_no_bar(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), clock=clock)
    reporter.on(progress(1234, size=5000))
    assert terminal.rows() == ["1,234, 0 B/s, 5.00 kB"]
    reporter.close()


def test_the_last_state_is_shown_at_the_end(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), clock=clock)
    reporter.on(progress(1, 10))
    reporter.on(progress(10, 10))  # too early to be drawn
    assert "10%" in terminal.rows()[0]
    reporter.close()
    reporter.close()
    assert "100%" in terminal.rows()[0]


def test_a_flood_of_events_is_drawn_ten_times_a_second(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), clock=clock)
    for tick in range(1001):
        clock.now = 1000 + tick / 1000
        reporter.on(progress(tick, 1000))
    assert terminal.getvalue().count("%") <= 11
    reporter.close()


FILES = tuple(Running(index, f"f/{index}.bin", index * 1000, 1_000_000 + index) for index in range(1, 8))


def test_the_five_largest_downloads_have_bars_below_and_leave_none_behind(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), files=True, clock=clock)
    reporter.on(progress(1, 10, running=FILES))
    rows = terminal.rows()
    assert [row.split()[0] for row in rows] == ["10%", *(f"f/{index}.bin" for index in range(3, 8))]
    assert rows[1].endswith("3.00 kB of 1.00 MB")
    assert {len(row) for row in rows} == {79}
    clock.now += 1
    reporter.on(progress(5, 10, running=FILES[:2]))
    assert [row.split()[:1] for row in terminal.rows()] == [["50%"], ["f/1.bin"], ["f/2.bin"], [], [], []]
    reporter.on(progress(10, 10))
    reporter.close()
    rows = terminal.rows()
    assert rows[0].startswith("100%")
    assert set(rows[1:]) == {""}


def test_files_have_no_bars_unless_asked_for(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), clock=clock)
    reporter.on(progress(1, 10, running=FILES))
    assert len(terminal.rows()) == 1
    reporter.close()


def test_a_download_of_unknown_length_has_no_bar_but_its_bytes(clock):
    terminal = Terminal()
    reporter = BarReporter(Outlet(terminal), files=True, clock=clock)
    reporter.on(progress(1, 10, running=(Running(1, "{a}\x1b{0}", 1234, None),)))
    assert terminal.rows()[1].split() == ["{a}\\x1b{0}", "1.23", "kB"]
    reporter.close()


def test_lines_are_written_above_the_bars_and_none_is_torn(clock):
    terminal = Terminal()
    bar = BarReporter(Outlet(terminal), files=True, clock=clock)
    reporter = Tee([OutcomeLog(bar.line, 2), bar])
    expected = []
    for tick in range(40):
        clock.now += 0.07
        reporter.on(Result(tick, "done", f"http://h/{tick}", path=f"{tick}", size=tick))
        expected.append(f"done  {tick}  {tick} B  http://h/{tick}")
        reporter.on(progress(tick, 40, running=FILES[: tick % 7]))
    reporter.close()
    rows = terminal.rows()
    assert rows[:40] == expected
    assert rows[40].startswith(" 97%")
    assert set(rows[41:]) <= {""}


class Listener:
    """Notes what it is told."""

    def __init__(self):
        self.heard = []

    def on(self, event):
        self.heard.append(event)

    def close(self):
        pass


def test_results_are_told_to_those_who_want_them_alone():
    result = Result(1, "done", "http://h/a", "a")
    some, all_of_it = Listener(), Listener()
    some.hears_results = False
    for tee in (Tee([some]), Tee([some, all_of_it])):
        for event in (result, Notice("x")):
            tee.on(event)
    assert some.heard == [Notice("x")] * 2
    assert all_of_it.heard == [result, Notice("x")]
    assert not hears_results(Tee([some]))
    assert hears_results(Tee([some, all_of_it]))


@pytest.mark.parametrize(("verbosity", "hearing"), [(0, False), (1, True)])
def test_what_says_nothing_of_results_is_not_told_of_them(verbosity, hearing):
    assert hears_results(reporter_for(io.StringIO(), verbosity=verbosity)) is hearing
    assert hears_results(reporter_for(Terminal(), verbosity=verbosity)) is hearing
    assert not hears_results(reporter_for(io.StringIO(), verbosity=verbosity, quiet=True))


def test_a_line_before_the_first_bar_comes_at_once(clock):
    terminal = Terminal()
    bar = BarReporter(Outlet(terminal), clock=clock)
    bar.line("certificates are not checked")
    assert terminal.rows() == ["certificates are not checked", ""]
    bar.close()


def test_a_drawing_goes_out_in_one_piece(clock):
    pieces = []

    class Pieces(Terminal):
        def write(self, text):
            pieces.append(text)

    reporter = BarReporter(Outlet(Pieces()), files=True, clock=clock)
    reporter.line("one")
    reporter.on(progress(1, 10, running=FILES))
    clock.now += 1
    reporter.line("two")
    reporter.close()
    assert len(pieces) == 5  # a line, the bars, a line above the bars, the last state, the end


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize("columns", [80, 200, 50, 20, 0])
def test_no_line_is_wider_than_the_terminal(columns, clock):
    import fcntl  # noqa: PLC0415 - not on Windows
    import pty  # noqa: PLC0415
    import struct  # noqa: PLC0415
    import termios  # noqa: PLC0415

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = bytearray()

    def read_all():
        while piece := os.read(master, 4096):
            written.extend(piece)
            if piece.endswith(b"\x04"):
                return

    reader = threading.Thread(target=read_all)
    reader.start()
    with open(slave, "w", encoding="utf-8") as stream:
        reporter = reporter_for(stream, files=True, clock=clock)
        running = (*FILES, Running(9, "画像/" + "long-name-" * 30, 5, 10**12))
        for _ in range(3):
            clock.now += 1
            reporter.on(progress(10**7, 10**9, failed=123_456, size=10**13, seconds=clock.now, running=running))
        reporter.close()
        stream.write("\x04")
        stream.flush()
        reader.join()
    os.close(master)
    drawn = re.split(r"[\r\n]+|\x1b\[A|\x04", written.decode())
    widths = {sum(2 if c in "画像" else 1 for c in line) for line in drawn}
    assert max(widths) == (columns or 80) - 1


def test_a_bar_starts_no_thread_and_no_process_and_leaves_tqdm_to_others():
    code = """
import sys, threading, io
from pdl.progress import reporter_for
assert "tqdm" not in sys.modules
from pdl.model import Progress
class Terminal(io.StringIO):
    def isatty(self): return True
reporter = reporter_for(Terminal(), files=True)
reporter.on(Progress(1, 1, 0, 0, 1, 1.0, None, 2))
import tqdm
assert threading.active_count() == 1, threading.enumerate()
assert "multiprocessing.resource_tracker" not in sys.modules
assert tqdm.tqdm.monitor_interval == 10
assert not hasattr(tqdm.tqdm, "_lock")
assert not getattr(tqdm.tqdm, "_instances", None)
reporter.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- the stream


class Failing(Terminal):
    def __init__(self, error):
        super().__init__()
        self.error = error
        self.tries = 0

    def write(self, text):
        self.tries += 1
        raise self.error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(5, "gone"), ValueError("I/O operation on closed file")]
)
@pytest.mark.parametrize("files", [False, True])
def test_a_reader_that_goes_away_costs_the_words_not_the_run(error, files, clock):
    stream = Failing(error)
    reporter = reporter_for(stream, verbosity=2, files=files, clock=clock)
    for event in (Notice("hello"), DONE, progress(1, 10, running=FILES), FAILED):
        clock.now += 20
        reporter.on(event)
    reporter.close()
    assert stream.tries == 1


def test_a_terminal_that_is_full_for_a_moment_loses_only_that():
    stream = Failing(BlockingIOError())
    outlet = Outlet(stream)
    outlet.line("one")
    outlet.line("two")
    assert stream.tries == 2


def test_a_narrow_encoding_gets_escapes():
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    outlet.line("画.jpg")
    assert raw.getvalue() == b"\\u753b.jpg\n"


# -- the choice


def told(reporter, clock, stream):
    for event in (FAILED, progress(5, 10)):
        clock.now += 20
        reporter.on(event)
    reporter.close()
    return stream.getvalue()


def test_quiet_says_nothing_whatever_else_is_asked(clock):
    stream = Terminal()
    reporter = reporter_for(stream, quiet=True, verbosity=2, files=True, clock=clock)
    assert isinstance(reporter, Silent)
    reporter.on(Notice("hello"))
    assert told(reporter, clock, stream) == ""


def test_a_terminal_gets_a_bar(clock):
    stream = Terminal()
    assert "█" in told(reporter_for(stream, clock=clock), clock, stream)


@pytest.mark.parametrize("files", [False, True])
def test_what_is_no_terminal_gets_plain_lines(clock, files):
    stream = io.StringIO()
    text = told(reporter_for(stream, verbosity=1, files=files, clock=clock), clock, stream)
    assert text.startswith("failed  http 404")
    assert "50 %" in text
    assert "\r" not in text


def test_a_terminal_that_cannot_draw_gets_plain_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    assert "\r" not in told(reporter_for(stream, clock=clock), clock, stream)


def test_without_a_stream_it_is_standard_error(clock, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert "50 %" in told(reporter_for(clock=clock), clock, stream)
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(reporter_for(), Silent)


# -- the closing account


def balance(**fields):
    counts = {"read": 0, "done": 0, "skipped": 0, "failed": 0, "left": 0, "size": 0, "seconds": 0.0}
    return SimpleNamespace(**counts | {"skipped_by_reason": {}, "failed_by_kind": {}} | fields)


def test_the_account_balances():
    assert closing_lines(
        balance(
            read=10_000,
            done=9_000,
            skipped=900,
            skipped_by_reason={"exists": 100, "duplicate": 800, "done": 0},
            failed=60,
            failed_by_kind={"dns": 7, "http 404": 50, "http 403": 3},
            left=40,
            size=1_230_000_000,
            seconds=12.3,
        )
    ) == [
        (
            "10,000 entries: done 9,000, skipped 900 (duplicate 800, exists 100), "
            "failed 60 (http 404: 50, dns: 7, http 403: 3), left 40"
        ),
        "9,000 files, 1.23 GB in 12.3 s, 100 MB/s, 732 files/s",
    ]


def test_the_account_of_next_to_nothing():
    assert closing_lines(balance()) == [
        "0 entries: done 0, skipped 0, failed 0, left 0",
        "0 files, 0 B in 0.0 s",
    ]
    assert closing_lines(balance(read=1, done=1, size=5, seconds=90)) == [
        "1 entry: done 1, skipped 0, failed 0, left 0",
        "1 file, 5 B in 1:30, 0 B/s",
    ]
