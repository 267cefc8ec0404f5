import errno
import os
import stat

import pytest

from pdl.errors import DestinationError
from pdl.storage.destination import prepare_destination

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


def test_a_missing_destination_is_made_with_a_folder_for_parts(tmp_path):
    dest = tmp_path / "a" / "b"
    parts = prepare_destination(str(dest))
    assert parts == str(dest / ".pdl" / "parts")
    assert os.listdir(parts) == []
    assert os.listdir(dest) == [".pdl"]


@posix
def test_nobody_else_may_enter_the_private_folders(tmp_path):
    parts = prepare_destination(str(tmp_path))
    for folder in (parts, os.path.dirname(parts)):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_a_destination_is_prepared_again_with_what_it_holds(tmp_path):
    parts = prepare_destination(str(tmp_path))
    with open(os.path.join(parts, "17"), "wb") as file:
        file.write(b"kept")
    assert prepare_destination(str(tmp_path)) == parts
    assert os.listdir(parts) == ["17"]


@posix
def test_the_destination_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    prepare_destination(str(tmp_path / "link"))
    assert (tmp_path / "real" / ".pdl" / "parts").is_dir()


@pytest.mark.fault(40)
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_file_is_no_destination(tmp_path, below):
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(DestinationError, match=r"file.* cannot be used as the destination: .*not a (folder|dir)"):
        prepare_destination(f"{tmp_path}/file{below}")


def test_a_name_that_no_folder_can_have_is_told_like_any_other_reason():
    with pytest.raises(DestinationError, match="null"):
        prepare_destination("a\0b")


@pytest.mark.fault(41)
@posix
@pytest.mark.parametrize("name", [".pdl", ".pdl/parts"])
def test_a_link_in_the_place_of_a_private_folder_is_refused(tmp_path, name):
    dest, outside = tmp_path / "dest", tmp_path / "outside"
    outside.mkdir()
    (dest / name).parent.mkdir(parents=True)
    os.symlink(outside, dest / name)
    with pytest.raises(DestinationError, match="is not a folder"):
        prepare_destination(str(dest))
    assert os.listdir(outside) == []


@posix
def test_private_folders_of_another_user_are_refused(tmp_path, monkeypatch):
    prepare_destination(str(tmp_path))
    really = os.lstat

    def owned_by_another(path, **options):
        values = list(really(path, **options))
        if str(path).endswith(".pdl"):
            values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "lstat", owned_by_another)
    with pytest.raises(DestinationError, match="another user"):
        prepare_destination(str(tmp_path))


@pytest.mark.fault(40)
@pytest.mark.parametrize("call", ["makedirs", "mkdir"])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_what_the_disk_refuses_is_told_in_one_message(tmp_path, monkeypatch, call, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DestinationError) as caught:
        prepare_destination(str(tmp_path))
    assert str(caught.value) == (
        f"the folder {str(tmp_path)!r} cannot be used as the destination: {os.strerror(code).lower()}"
    )


@pytest.mark.fault(40)
def test_a_destination_that_cannot_be_written_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DestinationError, match="not writable"):
        prepare_destination(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_parts_that_cannot_be_created_are_told(tmp_path, monkeypatch):
    really = os.open

    def refuse(path, *rest, **options):
        if os.fspath(path).endswith(str(os.getpid())):
            raise OSError(errno.EDQUOT, "Disk quota exceeded", path)
        return really(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DestinationError, match=r"disk quota exceeded \(.*parts"):
        prepare_destination(str(tmp_path))
