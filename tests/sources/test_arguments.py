import os

import pytest

from pdl.errors import SourceError
from pdl.sources import Position, open_source, open_source_arguments


def test_sources_are_read_one_after_another(list_file, stdin_pipe, drain_urls):
    first, second = list_file(b"http://h/1\nhttp://h/2", "a"), list_file(b"http://h/5\n", "b")
    stdin_pipe.write(b"http://h/3\n")
    stdin_pipe.close()

    source = open_source_arguments([first, "-", "http://h/4", second, "ftp://h/6"])

    assert source.paths == (first, second)
    assert source.position() == Position(None)
    assert drain_urls(source, limit=2) == [*(f"http://h/{number}" for number in range(1, 6)), "blocked"]


def test_a_url_is_a_list_of_one(drain):
    source = open_source("http://h/a")

    assert source.position() == Position(0, 1)
    (entry,) = drain(source)
    assert (entry.url, entry.where) == ("http://h/a", "")


def test_urls_alone_have_a_total(drain_urls):
    source = open_source_arguments(["http://h/a", "http://h/b"])

    assert source.position().total == 2
    assert drain_urls(source) == ["http://h/a", "http://h/b"]


def test_the_position_is_the_share_of_all_bytes(list_file):
    small, large = list_file(b"http://h/1\n", "a"), list_file(b"http://h/1\n" * 3, "b")
    source = open_source_arguments([small, large])
    fractions = []
    while source.take(1) is not None:
        fractions.append(source.position().fraction)
    source.close()

    assert fractions == [0.25, 0.5, 0.75, 1.0]
    assert source.position() == Position(1.0)


def test_every_list_is_looked_at_before_the_first_is_read(list_file, tmp_path):
    with pytest.raises(SourceError, match="missing"):
        open_source_arguments([list_file(b"http://h/"), str(tmp_path / "missing")])


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read everything")
def test_a_list_that_may_not_be_read_is_told_at_once(list_file):
    path = list_file(b"http://h/")
    os.chmod(path, 0)

    with pytest.raises(SourceError, match="denied"):
        open_source_arguments([path, path])


def test_a_list_that_vanishes_before_its_turn_is_an_error_after_the_others(list_file, drain_urls):
    first, second = list_file(b"http://h/1\n", "a"), list_file(b"http://h/2\n", "b")
    source = open_source_arguments([first, second])
    os.unlink(second)

    assert drain_urls(source) == ["http://h/1"]
    assert isinstance(drain_urls.error, SourceError)
    assert "b: No such file" in str(drain_urls.error)


def test_lists_are_open_one_at_a_time(list_file, drain_urls):
    psutil = pytest.importorskip("psutil")
    paths = [list_file(b"http://h/\n", str(number)) for number in range(50)]
    before = len(psutil.Process().open_files())
    source = open_source_arguments(paths)

    assert source.take(1)
    assert len(psutil.Process().open_files()) == before + 1
    assert len(drain_urls(source)) == 49
    assert len(psutil.Process().open_files()) == before


def test_no_arguments_are_an_empty_list():
    source = open_source_arguments([])

    assert source.take(1) is None
    assert source.position() == Position(None)
    source.close()


def test_a_control_character_in_a_path_is_escaped_where_it_is_shown(list_file, drain):
    (entry,) = drain(open_source(list_file(b"http://h/", "a\nb")))

    assert entry.where.endswith("a\\nb:1")
