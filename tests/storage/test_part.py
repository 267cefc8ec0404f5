import errno
import hashlib
import os
import stat
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl.errors import DestinationError
from pdl.storage.part import PartFile, PartLost
from pdl.storage.parts import parts_in

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "17")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def leave(path, data):
    """What an earlier run wrote and closed."""
    part = PartFile(path)
    part.begin()
    part.write(data)
    part.close()


def raising(error):
    def call(*_):
        raise OSError(error, os.strerror(error))

    return call


def refused(code):
    return pytest.raises(OSError, match=rf"\[Errno {code}\]")


# -- what it begins with


@pytest.mark.parametrize("size", [0, 3, 7, 100])
def test_the_beginning_of_a_part_can_be_seen_while_it_is_written(path, size):
    leave(path, b"one two three")
    part = PartFile(path, "sha256")
    part.resume(7)
    assert part.beginning(size) == b"one two"[:size]
    part.write(b" four")
    assert part.beginning(100) == b"one two four"
    part.write(b" five")
    part.close()
    assert content(path) == b"one two four five"
    assert part.hexdigest() == hashlib.sha256(b"one two four five").hexdigest()


# -- from the first byte


def test_a_new_part_holds_what_was_written(path):
    part = PartFile(path)
    part.begin()
    for data in (b"one ", bytearray(b"two "), memoryview(b"three"), b""):
        part.write(data)
    assert part.size == 13
    part.close()
    assert content(path) == b"one two three"


@posix
def test_the_umask_decides_who_may_read_it(path):
    before = os.umask(0o027)
    try:
        leave(path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


@pytest.mark.fault(43)
def test_a_left_over_gives_way(path):
    leave(path, b"a long left-over")
    part = PartFile(path)
    part.begin()
    part.write(b"new")
    part.close()
    assert content(path) == b"new"


@pytest.mark.fault(42)
@posix
def test_a_left_over_that_was_published_already_is_not_touched(path, tmp_path):
    leave(path, b"published")
    os.link(path, tmp_path / "final.jpg")
    part = PartFile(path)
    part.begin()
    part.write(b"new")
    part.close()
    assert content(tmp_path / "final.jpg") == b"published"


@pytest.mark.fault(41)
@posix
def test_a_planted_link_is_replaced_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    os.symlink(victim, path)
    part = PartFile(path)
    part.begin()
    part.write(b"x")
    part.close()
    assert victim.read_bytes() == b"precious"
    assert not os.path.islink(path)


@pytest.mark.fault(41)
@posix
def test_a_planted_dangling_link_creates_nothing_elsewhere(path, tmp_path):
    os.symlink(tmp_path / "elsewhere", path)
    leave(path, b"x")
    assert sorted(os.listdir(tmp_path)) == ["17"]


@pytest.mark.fault(41)
@posix
def test_a_planted_fifo_is_replaced(path):
    os.mkfifo(path)
    leave(path, b"x")
    assert content(path) == b"x"


@pytest.mark.fault(40)
def test_a_folder_in_the_place_of_a_part_is_an_error(path):
    os.mkdir(path)
    with pytest.raises(IsADirectoryError, match="folder"):
        PartFile(path).begin()


def test_a_missing_parts_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        PartFile(str(tmp_path / "none" / "17")).begin()


def test_an_unknown_digest_leaves_no_file(path):
    with pytest.raises(ValueError, match="md55"):
        PartFile(path, "md55").begin()
    assert not os.path.exists(path)


# -- going on


def test_a_resumed_part_goes_on_and_drops_what_was_not_counted(path):
    leave(path, b"hello, world")
    part = PartFile(path, "sha256")
    part.resume(7)
    assert part.size == 7
    part.write(b"you")
    part.close()
    assert content(path) == b"hello, you"
    assert part.hexdigest() == hashlib.sha256(b"hello, you").hexdigest()


def test_a_missing_part_cannot_be_resumed_and_is_not_created(path):
    with pytest.raises(PartLost, match="missing"):
        PartFile(path).resume(0)
    assert not os.path.exists(path)


def test_a_part_that_is_too_short_cannot_be_resumed(path):
    leave(path, b"12345")
    with pytest.raises(PartLost, match="5 bytes of 6"):
        PartFile(path).resume(6)
    assert content(path) == b"12345"


@pytest.mark.fault(41)
@posix
@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir, lambda path: os.symlink(__file__, path)])
def test_what_is_not_a_regular_file_cannot_be_resumed(path, plant):
    plant(path)
    with pytest.raises(PartLost, match="not a regular file"):
        PartFile(path).resume(0)


@pytest.mark.fault(41)
@posix
def test_a_link_that_comes_between_the_look_and_the_opening_is_not_followed(path, tmp_path, monkeypatch):
    leave(path, b"part")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    really = os.open

    def swap(name, *rest):
        os.unlink(name)
        os.symlink(victim, name)
        return really(name, *rest)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(OSError, match="link"):
        PartFile(path).resume(0)
    assert victim.read_bytes() == b"precious"


def test_a_file_that_comes_between_the_look_and_the_opening_is_refused(path, tmp_path, monkeypatch):
    leave(path, b"part")
    (tmp_path / "other").write_bytes(b"precious")
    really = os.open

    def swap(name, *rest):
        os.replace(tmp_path / "other", name)
        return really(name, *rest)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(PartLost, match="exchanged"):
        PartFile(path).resume(0)
    assert content(path) == b"precious"


@posix
def test_a_part_with_a_second_name_cannot_be_resumed(path, tmp_path):
    leave(path, b"published")
    os.link(path, tmp_path / "final.jpg")
    with pytest.raises(PartLost, match="second name"):
        PartFile(path).resume(3)
    assert content(path) == b"published"


@posix
def test_a_part_of_another_user_cannot_be_resumed(path, monkeypatch):
    leave(path, b"theirs")
    really = os.fstat

    def owned_by_another(fd):
        values = list(really(fd))
        values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", owned_by_another)
    with pytest.raises(PartLost, match="another user"):
        PartFile(path).resume(3)
    assert content(path) == b"theirs"


def test_a_failed_resume_leaves_the_part_to_others(path):
    leave(path, b"12345")
    part = PartFile(path)
    with pytest.raises(PartLost):
        part.resume(6)
    again = PartFile(path)
    again.resume(5)
    again.close()
    part.discard()
    assert content(path) == b"12345"


# -- held by one


def test_a_part_is_held_by_one_at_a_time(path):
    first = PartFile(path)
    first.begin()
    first.write(b"first")
    for take in (PartFile(path).begin, lambda: PartFile(path).resume(0), first.begin):
        with pytest.raises(BlockingIOError, match="holds"):
            take()
    first.write(b", still")
    first.close()
    assert content(path) == b"first, still"


HOLD = """
import sys
from pdl.storage.part import PartFile
part = PartFile(sys.argv[1])
part.begin()
part.write(b"from another process")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_part_held_by_another_process_is_free_once_that_is_dead(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(BlockingIOError):
            PartFile(path).begin()
        with pytest.raises(BlockingIOError):
            PartFile(path).resume(4)
        other.kill()
    part = PartFile(path)
    part.resume(5)
    part.write(b"here")
    part.close()
    assert content(path) == b"from here"


@posix
def test_who_loses_the_race_between_creating_and_locking_learns_it(path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    really = fcntl.flock

    def unlinked_before(fd, operation):
        os.unlink(path)
        really(fd, operation)

    monkeypatch.setattr(fcntl, "flock", unlinked_before)
    with pytest.raises(BlockingIOError):
        PartFile(path).begin()


@posix
def test_a_file_system_without_locks_still_takes_parts(path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", raising(errno.ENOLCK))
    leave(path, b"x")
    assert content(path) == b"x"


@posix
def test_a_failing_lock_is_an_error_and_leaks_no_descriptor(path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", raising(errno.EIO))
    before = os.listdir("/dev/fd")
    with refused(errno.EIO):
        PartFile(path).begin()
    assert os.listdir("/dev/fd") == before


# -- what the disk refuses


@pytest.mark.fault(39)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_refused_write_keeps_what_arrived(path, monkeypatch, code):
    part = PartFile(path, "sha256")
    part.begin()
    part.write(b"kept")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", raising(code))
        with refused(code):
            part.write(b"lost")
    assert part.size == 4
    part.close()
    assert content(path) == b"kept"
    assert part.hexdigest() == hashlib.sha256(b"kept").hexdigest()


def test_a_disk_that_fills_up_within_a_write_keeps_the_part_that_fit(path, monkeypatch):
    part = PartFile(path, "sha256")
    part.begin()
    really = os.write
    answers = iter([lambda fd, data: really(fd, data[:3]), raising(errno.ENOSPC)])

    def write(fd, data):
        return next(answers)(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with refused(errno.ENOSPC):
            part.write(b"abcdef")
    assert part.size == 3
    part.close()
    assert content(path) == b"abc"
    assert part.hexdigest() == hashlib.sha256(b"abc").hexdigest()


def test_a_disk_that_takes_nothing_does_not_hang_us(path, monkeypatch):
    part = PartFile(path)
    part.begin()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: 0)
        with pytest.raises(OSError, match="no more bytes"):
            part.write(b"abc")
    part.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told_by_its_errno(path):
    part = PartFile(path)
    part.begin()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, part._fd)
    os.close(full)
    with refused(errno.ENOSPC):
        part.write(b"x")
    part.discard()
    assert os.path.exists(path)  # the descriptor is no longer that of the part


@pytest.mark.fault(39)
def test_an_error_at_close_is_raised_once(path, monkeypatch):
    part = PartFile(path)
    part.begin()
    fd = part._fd
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", raising(errno.ENOSPC))
        with refused(errno.ENOSPC):
            part.close()
    part.close()
    os.close(fd)


def test_a_closed_part_takes_nothing(path):
    part = PartFile(path)
    part.begin()
    part.close()
    part.close()
    with refused(errno.EBADF):
        part.write(b"x")


# -- thrown away


@pytest.mark.parametrize("closed_before", [False, True])
def test_a_discarded_part_is_gone(path, closed_before):
    part = PartFile(path)
    part.begin()
    if closed_before:
        part.close()
    part.discard()
    part.discard()
    assert not os.path.exists(path)


@pytest.mark.fault(42)
@posix
@pytest.mark.parametrize("closed_before", [False, True])
def test_discarding_spares_what_stands_in_the_place_of_the_part(path, tmp_path, closed_before):
    part = PartFile(path)
    part.begin()
    (tmp_path / "other").write_bytes(b"another's")
    os.replace(tmp_path / "other", path)
    if closed_before:
        part.close()
    part.discard()
    assert content(path) == b"another's"


@pytest.mark.fault(42)
def test_discarding_late_spares_a_part_that_was_taken_up_again(path):
    part = PartFile(path)
    part.begin()
    part.close()
    again = PartFile(path)
    again.resume(0)
    part.discard()
    assert os.path.exists(path)
    again.close()


@pytest.mark.fault(42)
def test_discarding_what_was_moved_away_does_nothing(path, tmp_path):
    part = PartFile(path)
    part.begin()
    part.close()
    os.replace(path, tmp_path / "final.jpg")
    part.discard()
    assert os.path.exists(tmp_path / "final.jpg")


def test_discarding_what_never_began_does_nothing(path):
    leave(path, b"of an earlier run")
    PartFile(path).discard()
    assert os.path.exists(path)


@given(
    pieces=st.lists(st.one_of(st.just(None), st.binary(max_size=50)), max_size=12),
    shorts=st.lists(st.integers(1, 20), max_size=20),
)
def test_no_short_write_or_resumption_changes_the_bytes(pieces, shorts):
    """A None among the pieces closes the part and resumes it."""
    really = os.write
    limits = iter(shorts)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: really(fd, data[: next(limits, len(data))]))
        path = os.path.join(folder, "1")
        part = PartFile(path, "sha1")
        part.begin()
        for piece in pieces:
            if piece is None:
                size = part.size
                part.close()
                part = PartFile(path, "sha1")
                part.resume(size)
            else:
                part.write(piece)
        part.close()
        expected = b"".join(piece for piece in pieces if piece)
        assert content(path) == expected
        assert part.size == len(expected)
        assert part.hexdigest() == hashlib.sha1(expected).hexdigest()


def test_a_folder_of_parts_that_cannot_be_read_is_one_message(tmp_path):
    with pytest.raises(DestinationError, match="none' cannot be read"):
        parts_in(str(tmp_path / "none"))
