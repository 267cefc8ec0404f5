import collections
import itertools
import pathlib
import queue
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import Kind, SourceError
from pdl.model import Digest, Download, Malformed
from pdl.sources import Position, open_source
from pdl.sources.items import entry_of_item, line_of
from pdl.sources.lines import entry_of

URLS = ["http://h/a", "http://h/b", "http://h/c"]


@pytest.mark.parametrize(
    "given",
    [
        URLS,
        tuple(URLS),
        dict.fromkeys(URLS),
        dict.fromkeys(URLS).keys(),
        {1: URLS[0], 2: URLS[1], 3: URLS[2]}.values(),
    ],
    ids=lambda given: type(given).__name__,
)
def test_collections_are_read_where_they_are(given, drain_urls):
    threads = threading.active_count()
    source = open_source(given)

    assert threading.active_count() == threads
    assert source.position() == Position(0, 3)
    assert [entry.url for entry in source.take(2)] == URLS[:2]
    assert source.position() == Position(pytest.approx(2 / 3), 3)
    assert drain_urls(source) == URLS[2:]
    assert source.position() == Position(1, 3)


@pytest.mark.parametrize("given", [set(URLS), frozenset(URLS)])
def test_sets_are_read_too(given, drain_urls):
    assert sorted(drain_urls(open_source(given))) == URLS


def queued():
    items = queue.Queue()
    for item in [*URLS, None]:
        items.put(item)
    return iter(items.get, None)


class OldSequence:
    def __getitem__(self, index):
        return URLS[index]


class LazySequence(collections.abc.Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return URLS[index]


@pytest.mark.parametrize(
    "make",
    [lambda: iter(URLS), lambda: (url for url in URLS), queued, OldSequence, LazySequence, lambda: map(str, URLS)],
)
def test_anything_else_that_can_be_iterated_is_advanced_by_a_feeder(make, drain_urls):
    assert drain_urls(open_source(make())) == URLS


def test_a_sequence_of_the_callers_own_has_a_total(drain):
    source = open_source(LazySequence())

    assert source.position().total == 3
    drain(source)
    assert source.position() == Position(1, 3)


def test_an_iterator_has_no_position(drain):
    source = open_source(iter(URLS))
    drain(source)

    assert source.position() == Position(None, None)


def test_the_window_bounds_an_endless_generator(wait_until):
    advanced = []

    def endless():
        for number in itertools.count():
            advanced.append(number)
            yield f"http://h/{number}"

    source = open_source(endless(), window=5)
    wait_until(lambda: len(advanced) == 5)
    taken = source.take(3)

    assert [entry.url for entry in taken] == ["http://h/0", "http://h/1", "http://h/2"]
    wait_until(lambda: len(advanced) == 8)
    source.close()
    wait_until(lambda: source.take(1) is None)
    assert len(advanced) == 8


def test_a_file_object_gives_its_lines(list_file, drain_urls):
    path = list_file(b"\xef\xbb\xbfhttp://h/a\r\n\n# comment\nhttp://h/b\tname=x\nhttp://h/c")
    for mode in ({"mode": "rb"}, {"encoding": "utf-8"}, {"encoding": "utf-8", "newline": ""}):
        with open(path, **mode) as lines:
            assert drain_urls(open_source(lines)) == URLS


def test_items_that_are_no_entries_are_passed_over(drain):
    assert drain(open_source(["", "# comment", "\n"])) == []
    assert drain(open_source(iter(["", "# comment", "\n"]))) == []


def test_a_url_from_python_has_no_place_and_a_malformed_item_its_number(drain):
    fine, broken, wrong = drain(open_source(["http://h/", "nonsense", None]))

    assert (fine.where, broken.where, wrong.where) == ("", "item 2", "item 3")


def test_a_line_end_within_an_item_never_reaches_a_url(drain):
    assert drain(open_source(["http://h/a\r\nHost: evil"]))[0].kind is Kind.INPUT


@pytest.mark.parametrize("item", [None, 7, float("nan"), ["http://h/"], object(), pathlib.Path("a")])
def test_an_item_of_another_kind_is_malformed(item):
    entry = entry_of_item(item, "item 1")

    assert entry.kind is Kind.INPUT
    assert type(item).__name__ in entry.message
    assert "object at" not in entry.line


def test_a_malformed_entry_passes_as_it_is():
    entry = Malformed(Kind.BLOCKED, "no", "x", "l:1")

    assert entry_of_item(entry, "item 1") is entry


def test_a_collection_that_raises_does_so_after_its_items():
    class Broken(list):
        def __iter__(self):
            yield "http://h/a"
            raise ValueError("mine")

    source = open_source(Broken())

    assert len(source.take(5)) == 1
    with pytest.raises(ValueError, match="mine"):
        source.take(5)
    assert source.take(5) is None


def test_a_set_that_changes_meanwhile_raises_as_python_does():
    changing = set(URLS)
    source = open_source(changing)
    source.take(1)
    changing.add("http://h/d")

    with pytest.raises(RuntimeError, match="changed size"):
        source.take(1)


def test_a_generator_that_raises_does_so_after_its_items(drain_urls):
    error = LookupError("mine")

    def broken():
        yield from URLS
        raise error

    assert drain_urls(open_source(broken())) == URLS
    assert drain_urls.error is error


def test_a_take_from_a_closed_source_is_the_end():
    source = open_source(URLS)
    source.close()

    assert source.take(1) is None


@pytest.mark.parametrize("given", [None, 7, object()])
def test_what_cannot_be_iterated_is_no_list(given):
    with pytest.raises(SourceError, match=type(given).__name__):
        open_source(given)


@pytest.mark.parametrize("given", [URLS, iter(URLS)])
def test_a_take_of_nothing_is_not_the_end(given, drain_urls):
    source = open_source(given)

    assert source.take(0) == []
    assert drain_urls(source) == URLS


def test_a_single_download_is_a_list_of_one(drain_urls):
    assert drain_urls(open_source(Download("http://h/a"))) == ["http://h/a"]


def test_a_download_is_made_canonical():
    given = Download(
        "HTTP://u:p@Example.com/a b",
        mirrors=("http://M/x#y",),
        digest=Digest("md5", "A" * 32),
        headers=(("X-Key", " 1 "),),
        credentials=(("http://M/x", "v:ö:1"),),
    )

    assert entry_of_item(given, "") == Download(
        "http://example.com/a%20b",
        mirrors=("http://m/x",),
        digest=Digest("md5", "a" * 32),
        headers=(("X-Key", "1"),),
        credentials=(("http://example.com/a%20b", "u:p"), ("http://m/x", "v:ö:1")),
        line=f"HTTP://u:p@Example.com/a b\thttp://M/x#y\tmd5={'A' * 32}",
    )


def test_a_download_keeps_its_own_line_and_place():
    given = Download("http://h/", line="its line", where="l:1")

    assert entry_of_item(given, "item 1") == given


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"url": "ftp://h/"}, Kind.BLOCKED),
        ({"url": "h"}, Kind.INPUT),
        ({"url": None}, Kind.INPUT),
        ({"mirrors": ("h",)}, Kind.INPUT),
        ({"mirrors": None}, Kind.INPUT),
        ({"name": ""}, Kind.INPUT),
        ({"name": "a\nb"}, Kind.INPUT),
        ({"name": 7}, Kind.INPUT),
        ({"digest": Digest("sha256", "ab")}, Kind.INPUT),
        ({"digest": Digest("crc32", "ab")}, Kind.INPUT),
        ({"digest": "ab"}, Kind.INPUT),
        ({"size": -1}, Kind.INPUT),
        ({"size": 1.5}, Kind.INPUT),
        ({"size": True}, Kind.INPUT),
        ({"headers": (("Range", "0"),)}, Kind.INPUT),
        ({"headers": (("X", "a\r\nb"),)}, Kind.INPUT),
        ({"headers": 7}, Kind.INPUT),
        ({"credentials": (("http://h/", "u:\r\n"),)}, Kind.INPUT),
    ],
)
def test_a_download_with_wrong_fields_is_malformed(fields, kind):
    entry = entry_of_item(Download(**{"url": "http://u:hidden@h/", **fields}), "item 4")

    assert isinstance(entry, Malformed)
    assert (entry.kind, entry.where) == (kind, "item 4")
    assert "hidden" not in entry.line + entry.message


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
hosts = st.sampled_from(["http://h/a", "https://m/b?c=d", "http://[::1]:81/"])


@given(
    st.builds(
        Download,
        url=hosts,
        mirrors=st.lists(hosts, max_size=2).map(tuple),
        name=st.none() | texts.filter(bool),
        digest=st.none() | st.just(Digest("sha1", "0" * 40)),
        size=st.none() | st.integers(0, 10**18 - 1),
        credentials=st.lists(
            st.tuples(hosts, st.tuples(texts.map(lambda user: user.replace(":", "")), texts).map(":".join)),
            max_size=2,
        ).map(tuple),
        headers=st.just(()),
        line=st.just(""),
        where=st.just(""),
    )
)
def test_a_download_can_be_fed_back_by_the_line_that_is_made_for_it(given):
    entry = entry_of_item(given, "")
    again = entry_of(line_of(entry), "")

    assert entry.line == line_of(given)
    assert (again.url, again.mirrors, again.name, again.digest, again.size) == (
        entry.url,
        entry.mirrors,
        entry.name,
        entry.digest,
        entry.size,
    )
    own = {entry.url, *entry.mirrors}
    assert dict(again.credentials) == {url: userinfo for url, userinfo in entry.credentials if url in own}
