import bz2
import gzip
import lzma
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import SourceError
from pdl.model import Download, Malformed
from pdl.sources import open_source
from pdl.sources.files import ListSource
from pdl.sources.lines import LONGEST

if sys.version_info >= (3, 14):
    from compression.zstd import compress as zstd
else:
    from zstandard import compress as zstd

PLAIN = b"".join(b"http://h/%d\n" % number for number in range(5000))
URLS = PLAIN.decode().split()

COMPRESSORS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}
compressors = pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)


class Given:
    """Chunks of a list, as they come."""

    size = None
    consumed = 0

    def __init__(self, *chunks):
        self._chunks = chunks

    def __iter__(self):
        return iter(self._chunks)

    def close(self):
        pass


def test_entries_come_in_order_with_their_place(list_file, drain):
    path = list_file(b"\xef\xbb\xbfhttp://h/a\r\n\r\n# comment\r\nnonsense\r\nhttp://h/b")

    entries = drain(open_source(path))

    assert [entry.where for entry in entries] == [f"{path}:1", f"{path}:4", f"{path}:5"]
    assert [entry.line for entry in entries] == ["http://h/a", "nonsense", "http://h/b"]


def test_take_gives_no_more_than_its_limit(list_file):
    source = open_source(list_file(PLAIN))

    assert [entry.url for entry in source.take(3)] == URLS[:3]
    assert [entry.url for entry in source.take(4990)] == URLS[3:4993]
    assert [entry.url for entry in source.take(1000)] == URLS[4993:]
    assert source.take(1) is None
    assert source.take(1) is None
    source.close()


def test_an_empty_list_is_at_its_end(list_file):
    source = open_source(list_file(b""))

    assert source.take(1) is None
    source.close()


def test_the_position_follows_what_was_taken(list_file):
    source = open_source(list_file(PLAIN))
    fractions = [source.position().fraction]
    while source.take(500):
        fractions.append(source.position().fraction)

    assert fractions == sorted(set(fractions))
    assert fractions[0] == 0
    assert fractions[1] == pytest.approx(0.1, abs=0.02)
    assert fractions[-1] == 1
    assert source.position().total is None
    source.close()


def test_the_path_is_known_and_absolute(list_file, tmp_path, monkeypatch):
    list_file(b"http://h/")
    monkeypatch.chdir(tmp_path)

    source = open_source("list.txt")

    assert source.paths == (str(tmp_path / "list.txt"),)
    assert source.take(1)[0].where == "list.txt:1"
    source.close()


@compressors
def test_compressed_lists_are_known_by_their_content(compress, list_file, drain_urls):
    assert drain_urls(open_source(list_file(compress(PLAIN)))) == URLS


@compressors
def test_members_and_padding_are_read_to_the_end(compress, list_file, drain_urls):
    half = PLAIN.index(b"http://h/2500\n") + 5  # in the middle of a line

    content = compress(PLAIN[:half]) + compress(b"") + b"\0" * 8 + compress(PLAIN[half:]) + b"\0" * 4

    assert drain_urls(open_source(list_file(content))) == URLS


@compressors
def test_compressed_lists_come_in_any_pieces(compress, drain_urls):
    content = compress(PLAIN[:200]) + compress(PLAIN[200:400])
    chunks = [bytes([byte]) for byte in content]

    urls = drain_urls(ListSource("l", Given(*chunks)))

    assert urls == drain_urls(ListSource("l", Given(PLAIN[:400])))


@compressors
def test_cut_data_gives_its_whole_lines_and_then_an_error(compress, list_file, drain_urls):
    content = compress(PLAIN)

    urls = drain_urls(open_source(list_file(content[: len(content) - 9])))

    assert urls == URLS[: len(urls)]
    assert isinstance(drain_urls.error, SourceError)
    assert "cut short" in str(drain_urls.error)


def test_of_damaged_data_all_lines_before_the_damage_come_first(list_file, drain_urls):
    second = bytearray(gzip.compress(PLAIN))
    second[3] = 0xFF  # flags that no gzip has

    urls = drain_urls(open_source(list_file(gzip.compress(PLAIN) + second)))

    assert urls == URLS
    assert "gzip data is damaged" in str(drain_urls.error)


def test_a_line_that_the_damage_cuts_is_not_an_entry(list_file, drain_urls):
    path = list_file(gzip.compress(b"http://h/a\nhttp://h/hal") + b"garbage")

    assert drain_urls(open_source(path)) == ["http://h/a"]
    assert isinstance(drain_urls.error, SourceError)
    assert path in str(drain_urls.error)


def test_after_an_error_the_list_is_at_its_end(list_file):
    source = open_source(list_file(gzip.compress(PLAIN)[:-1]))
    assert len(source.take(5000)) == 5000
    with pytest.raises(SourceError):
        source.take(1)

    assert source.take(1) is None
    source.close()


@pytest.mark.parametrize("head", [b"\x1f", b"B", b"BZh9", b"\xfd7z", b"\x28\xb5", b"BZh9 is no scheme"])
def test_what_only_begins_like_compressed_data_is_text(head, list_file, drain_urls):
    assert drain_urls(open_source(list_file(head + b"\nhttp://h/a\n"))) == ["input", "http://h/a"]


@compressors
def test_a_compressed_line_without_end_needs_no_memory(compress, drain_urls):
    content = compress(b"http://h/a\n" + bytes(24 << 20) + b"\nhttp://h/b\n")

    tracemalloc.start()
    try:
        urls = drain_urls(ListSource("l", Given(content)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert urls == ["http://h/a", "input", "http://h/b"]
    assert peak < 16 << 20


@pytest.mark.parametrize(("module", "kind"), [("bz2", "bzip2"), ("lzma", "xz")])
def test_a_python_that_lacks_a_library_says_which(module, kind, monkeypatch, list_file, drain_urls):
    path = list_file(COMPRESSORS[kind](PLAIN))
    monkeypatch.setitem(sys.modules, module, None)

    assert drain_urls(open_source(path)) == []
    assert f"to read {kind}, the module {module} is needed" in str(drain_urls.error)


@pytest.mark.fault(57)
def test_an_over_long_line_is_passed_over_in_bounded_pieces(drain):
    chunks = [b"http://h/a\nhttp://u:p@h/", *[b"x" * 65_536] * 200, b"\r\nhttp://h/b"]

    first, long, last = drain(ListSource("l", Given(*chunks)))

    assert (first.url, last.url, last.where) == ("http://h/a", "http://h/b", "l:3")
    assert isinstance(long, Malformed)
    assert str(LONGEST) in long.message
    assert long.line.startswith("http://***@h/xxx")


def test_a_take_that_finds_nothing_comes_back(monkeypatch):
    monkeypatch.setattr("pdl.sources.files.PATIENCE", 0)
    source = ListSource("l", Given(b"# comment\n" * 10, b"# comment\n", b"http://h/a\n"))

    assert source.take(5) == []
    assert source.take(5) == []
    assert [entry.url for entry in source.take(5)] == ["http://h/a"]
    assert source.take(5) is None


def test_what_is_not_there_yet_does_not_hold_up_what_is():
    source = ListSource("l", Given(b"http://h/a\nhttp:", None, b"//h/b", None, b"\nhttp://h/c"))

    assert [entry.url for entry in source.take(5)] == ["http://h/a"]
    assert source.take(5) == []
    assert [entry.url for entry in source.take(5)] == ["http://h/b", "http://h/c"]
    assert source.take(5) is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_text(encoding, list_file, drain_urls):
    content = "\ufeffhttp://h/ü\r\nhttp://h/\U0001f600\r\n\u0a0a\r\n".encode(encoding)

    urls = drain_urls(open_source(list_file(content)))

    assert urls == ["http://h/%C3%BC", "http://h/%F0%9F%98%80", "input"]


@pytest.mark.parametrize("tail", [b"\0", b"\x00\xd8", b"\x00\xd8x", b"\x00\xdcx\0\n\0"])
def test_broken_utf_16_breaks_only_its_line(tail, list_file, drain_urls):
    content = "\ufeffhttp://h/a\nhttp://h/b".encode("utf-16-le") + tail

    assert drain_urls(open_source(list_file(content))) == ["http://h/a", "input"]


def test_a_list_that_does_not_exist_is_told_at_once(tmp_path):
    with pytest.raises(SourceError, match=r"missing\.txt: No such file"):
        open_source(tmp_path / "missing.txt")


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 5000])
def test_a_path_that_cannot_be_is_told_at_once(path):
    with pytest.raises(SourceError):
        open_source(path)


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(SourceError, match="folder"):
        open_source(tmp_path)


def test_a_list_that_breaks_while_it_is_read_is_an_error(list_file, drain_urls):
    def chunks():
        yield b"http://h/a\nhttp://h/b"
        raise SourceError("l: Input/output error")

    given = Given()
    given._chunks = chunks()

    assert drain_urls(ListSource("l", given)) == ["http://h/a"]
    assert "Input/output" in str(drain_urls.error)


def test_close_ends_a_list(list_file):
    source = open_source(list_file(PLAIN))
    source.take(5)
    source.close()
    source.close()

    assert source.take(5) is None


pieces = st.lists(st.one_of(st.none(), st.binary(max_size=30)), max_size=8)
# damaged compressed data may raise, as other tests say; everything else gives entries
starts = st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"http://h/\n", b"\x1f", b"BZ"])


@pytest.mark.fault(57)
@given(starts, pieces)
def test_any_bytes_in_any_pieces_give_the_same_entries(start, chunks):
    def drained(*chunks):
        source = ListSource("l", Given(*chunks))
        entries = []
        while (taken := source.take(3)) is not None:
            entries += taken
        return entries

    whole = start + b"".join(chunk for chunk in chunks if chunk)
    if (
        whole.startswith((b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh"))
        or whole[1:4] == b"\x2a\x4d\x18"
    ):
        return  # hypothesis finds the magic numbers in the source; what follows them is rarely sound
    entries = drained(start, *chunks)

    assert all(isinstance(entry, (Download, Malformed)) for entry in entries)
    assert entries == drained(whole)
    assert entries == drained(*(bytes([byte]) for byte in whole))
