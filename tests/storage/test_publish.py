import errno
import os
import stat

import pytest

from pdl.storage import folders
from pdl.storage.folders import PathRefused
from pdl.storage.publish import Publisher

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


@pytest.fixture(params=["by descriptor", "by path"])
def way(request, monkeypatch):
    """Both ways to a folder, as far as this platform has them."""
    if request.param == "by path":
        monkeypatch.setattr(folders, "BY_DESCRIPTOR", False)
    elif not folders.BY_DESCRIPTOR:
        pytest.skip("folders cannot be opened here")


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """File systems with hard links and without."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", raising(errno.EPERM))


@pytest.fixture
def dest(tmp_path):
    (tmp_path / "dest" / ".pdl").mkdir(parents=True)
    return tmp_path / "dest"


@pytest.fixture
def publisher(dest, way):
    publisher = Publisher(str(dest), overwrite=False)
    yield publisher
    publisher.close()


@pytest.fixture
def overwriter(dest, way):
    publisher = Publisher(str(dest), overwrite=True)
    yield publisher
    publisher.close()


def a_part(dest, data=b"new"):
    path = dest / ".pdl" / "part"
    path.write_bytes(data)
    return str(path)


def raising(error):
    def call(*_, **__):
        raise OSError(error, os.strerror(error))

    return call


# -- the name is free


@pytest.mark.parametrize("path", ["a.jpg", "x/a.jpg", "x/y/z/a.jpg", "x/..a", "-", "x y/é.jpg"])
def test_a_part_gets_its_name(publisher, links, dest, path):
    part = a_part(dest)
    publisher.publish(part, path)
    assert (dest / path).read_bytes() == b"new"
    assert not os.path.exists(part)
    assert os.stat(dest / path).st_nlink == 1


def test_an_overwriting_publisher_makes_folders_too(overwriter, dest):
    overwriter.publish(a_part(dest), "x/y/a.jpg")
    assert (dest / "x/y/a.jpg").read_bytes() == b"new"


def test_a_relative_destination_stays_where_it_was(way, dest, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    publisher = Publisher("dest", overwrite=False)
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    publisher.publish(a_part(dest), "x/a.jpg")
    publisher.close()
    assert (dest / "x/a.jpg").read_bytes() == b"new"


@posix
def test_the_destination_itself_may_be_a_link(way, dest, tmp_path):
    os.symlink(dest, tmp_path / "link")
    publisher = Publisher(str(tmp_path / "link"), overwrite=False)
    publisher.publish(a_part(dest), "x/a.jpg")
    publisher.close()
    assert (dest / "x/a.jpg").read_bytes() == b"new"


# -- the name is taken


@pytest.mark.fault(42)
def test_without_overwrite_nothing_that_exists_is_replaced(publisher, links, dest):
    (dest / "a.jpg").write_bytes(b"old")
    part = a_part(dest)
    with pytest.raises(FileExistsError, match="exists already"):
        publisher.publish(part, "a.jpg")
    assert (dest / "a.jpg").read_bytes() == b"old"
    assert os.path.exists(part)


def test_with_overwrite_what_exists_is_replaced(overwriter, dest):
    (dest / "a.jpg").write_bytes(b"old")
    overwriter.publish(a_part(dest), "a.jpg")
    assert (dest / "a.jpg").read_bytes() == b"new"


@pytest.mark.fault(41)
@posix
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_under_the_name_counts_as_taken(publisher, links, dest, tmp_path, dangling):
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_bytes(b"precious")
    os.symlink(victim, dest / "a.jpg")
    with pytest.raises(FileExistsError):
        publisher.publish(a_part(dest), "a.jpg")
    assert os.path.islink(dest / "a.jpg")
    assert victim.exists() is not dangling


@pytest.mark.fault(41)
@posix
def test_overwriting_replaces_a_link_and_never_its_target(overwriter, dest, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    os.symlink(victim, dest / "a.jpg")
    overwriter.publish(a_part(dest), "a.jpg")
    assert victim.read_bytes() == b"precious"
    assert not os.path.islink(dest / "a.jpg")


@pytest.mark.fault(40)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_under_the_name_is_an_error(way, links, dest, overwrite):
    (dest / "a.jpg").mkdir()
    publisher = Publisher(str(dest), overwrite=overwrite)
    with pytest.raises(IsADirectoryError):
        publisher.publish(a_part(dest), "a.jpg")
    publisher.close()


@pytest.mark.fault(40)
def test_a_file_in_the_place_of_a_folder_is_an_error(publisher, dest):
    (dest / "x").write_bytes(b"old")
    with pytest.raises(NotADirectoryError, match="file stands"):
        publisher.publish(a_part(dest), "x/a.jpg")
    assert (dest / "x").read_bytes() == b"old"


@pytest.mark.fault(43)
@posix
def test_a_run_killed_between_linking_and_unlinking_is_mended(publisher, dest, monkeypatch):
    part = a_part(dest)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", raising(errno.EIO))  # as if the process ended here
        publisher.publish(part, "a.jpg")
    assert os.path.exists(part)
    publisher.publish(part, "a.jpg")
    assert not os.path.exists(part)
    assert (dest / "a.jpg").read_bytes() == b"new"


# -- planted folders


@pytest.mark.fault(41)
@posix
@pytest.mark.parametrize("path", ["x/a.jpg", "x/y/a.jpg", "z/x/a.jpg"])
@pytest.mark.parametrize("target", ["outside", "missing"])
def test_a_link_in_the_place_of_a_folder_is_refused(publisher, dest, tmp_path, path, target):
    outside = tmp_path / "outside"
    (outside / "y").mkdir(parents=True)
    link = dest / path[: path.index("x") + 1]
    link.parent.mkdir(exist_ok=True)
    os.symlink(tmp_path / target, link)
    with pytest.raises(PathRefused, match="link stands"):
        publisher.publish(a_part(dest), path)
    assert os.listdir(outside) == ["y"]
    assert os.listdir(outside / "y") == []
    assert not (tmp_path / "missing").exists()


@posix
def test_overwriting_follows_no_link_in_the_place_of_a_folder(overwriter, dest, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.jpg").write_bytes(b"precious")
    os.symlink(tmp_path / "outside", dest / "x")
    with pytest.raises(PathRefused):
        overwriter.publish(a_part(dest), "x/a.jpg")
    assert (tmp_path / "outside" / "a.jpg").read_bytes() == b"precious"


@pytest.mark.fault(41)
@posix
def test_a_folder_that_is_exchanged_for_a_link_leads_nowhere_else(publisher, dest, tmp_path):
    (tmp_path / "outside").mkdir()
    publisher.publish(a_part(dest), "x/a.jpg")
    os.unlink(dest / "x/a.jpg")
    os.rmdir(dest / "x")
    os.symlink(tmp_path / "outside", dest / "x")
    with pytest.raises(PathRefused):
        publisher.publish(a_part(dest), "x/b.jpg")
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "../a", "x/../../a", "x//a", "./a", "x/", "..", "x/..", ".pdl/a", ".PDL/x/a"]
)
def test_paths_that_leave_the_destination_or_enter_pdls_own_folder_are_refused(publisher, dest, path):
    part = a_part(dest)
    with pytest.raises(PathRefused):
        publisher.publish(part, path)
    assert os.path.exists(part)


# -- what changes meanwhile


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_was_removed_meanwhile_is_made_again(way, links, dest, overwrite):
    publisher = Publisher(str(dest), overwrite=overwrite)
    publisher.publish(a_part(dest), "x/y/a.jpg")
    os.unlink(dest / "x/y/a.jpg")
    os.rmdir(dest / "x/y")
    os.rmdir(dest / "x")
    publisher.publish(a_part(dest, b"second"), "x/y/b.jpg")
    publisher.publish(a_part(dest, b"third"), "x/c.jpg")
    publisher.close()
    assert (dest / "x/y/b.jpg").read_bytes() == b"second"
    assert (dest / "x/c.jpg").read_bytes() == b"third"


def test_a_missing_part_is_an_error(publisher, dest):
    with pytest.raises(FileNotFoundError):
        publisher.publish(str(dest / ".pdl" / "none"), "a.jpg")
    assert not (dest / "a.jpg").exists()


@pytest.mark.skipif(not folders.BY_DESCRIPTOR, reason="folders cannot be opened here")
def test_few_descriptors_stay_open_and_none_after_close(dest):
    before = os.listdir("/dev/fd")
    publisher = Publisher(str(dest), overwrite=False)
    for number in range(200):
        publisher.publish(a_part(dest), f"{number % 100}/{number}/a.jpg")
    assert len(os.listdir("/dev/fd")) - len(before) <= 65
    deep = "/".join("d" * 300)
    publisher.publish(a_part(dest), f"{deep}/a.jpg")
    assert (dest / deep / "a.jpg").exists()
    publisher.close()
    assert os.listdir("/dev/fd") == before


# -- file systems without hard links


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV])
def test_what_cannot_be_linked_is_moved_and_the_next_is_not_linked_again(publisher, dest, monkeypatch, code):
    tries = []
    fail = raising(code)
    monkeypatch.setattr(os, "link", lambda *args, **kwargs: (tries.append(args), fail()))
    for name in ("a.jpg", "b.jpg"):
        publisher.publish(a_part(dest), name)
        assert (dest / name).read_bytes() == b"new"
    assert len(tries) == 1


def test_a_folder_that_may_not_be_written_says_nothing_about_links(publisher, dest, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", raising(errno.EACCES))
        patch.setattr(os, "replace", raising(errno.EACCES))
        with pytest.raises(PermissionError):
            publisher.publish(a_part(dest), "a.jpg")
    monkeypatch.setattr(os, "replace", raising(errno.EIO))
    publisher.publish(a_part(dest), "a.jpg")  # by a link, as before
    assert (dest / "a.jpg").read_bytes() == b"new"


@pytest.mark.fault(39, 40)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_what_the_disk_refuses_keeps_the_part(publisher, dest, monkeypatch, code):
    monkeypatch.setattr(os, "link", raising(code))
    part = a_part(dest)
    with pytest.raises(OSError, match=rf"\[Errno {code}\]"):
        publisher.publish(part, "a.jpg")
    assert os.path.exists(part)


@pytest.mark.fault(40)
@posix
def test_a_name_that_is_too_long_is_an_error(publisher, dest):
    with pytest.raises(OSError, match=rf"\[Errno {errno.ENAMETOOLONG}\]"):
        publisher.publish(a_part(dest), "n" * 300)


@posix
def test_new_folders_have_the_mode_that_the_umask_leaves(publisher, dest):
    before = os.umask(0o027)
    try:
        publisher.publish(a_part(dest), "x/a.jpg")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(dest / "x").st_mode) == 0o750
