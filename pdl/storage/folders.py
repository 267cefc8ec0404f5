"""Folders below the destination, entered without following a link that somebody planted there."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from pdl.descriptors import open_files

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_PLAIN_FOLDER = _FOLDER | getattr(os, "O_NOFOLLOW", 0)
_NOT_ENTERED = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})  # what systems say of links under O_NOFOLLOW
_KEPT = 64  # descriptors at most; reopening one costs a few microseconds, sockets need the rest

BY_DESCRIPTOR = hasattr(os, "O_NOFOLLOW") and {os.open, os.mkdir, os.link, os.rename, os.stat} <= os.supports_dir_fd


class PathRefused(NotADirectoryError):  # noqa: N818 - a decision about a path, not a fault of the program
    """A path that would leave the destination: it goes through a link, upwards, or into pdl's own folder."""


class Folders(Protocol):
    """The way from the destination to a file; folders that are missing are made."""

    def locate(self, path: str) -> tuple[int | None, str]:
        """A folder's descriptor and the file's name in it, or None and the file's whole path.

        Raises:
            PathRefused: a component is a link, or no plain name.
            NotADirectoryError: a component is a file.
        """

    def forget(self) -> None:
        """Look again at everything: a folder was removed or exchanged."""

    def close(self) -> None:
        """Give all descriptors back."""


def folders_below(dest: str) -> Folders:
    """The way to files below `dest` that this platform can go."""
    return OpenFolders(dest) if BY_DESCRIPTOR else LookedAtFolders(dest)


class OpenFolders:
    """Every folder is opened from the one above it, so that nothing can be exchanged behind our back."""

    def __init__(self, dest: str) -> None:
        self._dest = os.path.abspath(dest)
        self._root = -1
        limit = open_files()
        self._kept = _KEPT if limit is None else min(_KEPT, max(1, limit // 8))
        self._open: OrderedDict[str, int] = OrderedDict()  # by path, the latest used at the end

    def locate(self, path: str) -> tuple[int, str]:
        folder, name = _split(path)
        if folder in self._open:
            self._open.move_to_end(folder)
            return self._open[folder], name
        if not folder and self._root >= 0:
            return self._root, name
        return self._enter(folder), name

    def forget(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    close = forget

    def _enter(self, folder: str) -> int:
        if self._root < 0:
            self._root = os.open(self._dest, _FOLDER)  # the destination itself may be a link
        at = self._root
        for prefix, name in _components(folder):
            known = self._open.get(prefix)
            if known is None:
                known = self._open[prefix] = _open_folder(name, at, prefix)
            else:
                self._open.move_to_end(prefix)
            at = known
            if len(self._open) > self._kept:
                os.close(self._open.popitem(last=False)[1])  # never `at`, which is the latest
        return at


class LookedAtFolders:
    """Every folder on the way is looked at each time, where folders cannot be opened."""

    def __init__(self, dest: str) -> None:
        self._dest = os.path.abspath(dest)

    def locate(self, path: str) -> tuple[None, str]:
        folder, name = _split(path)
        whole = self._dest
        for prefix, component in _components(folder):
            whole = os.path.join(whole, component)
            try:
                found = os.lstat(whole)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    os.mkdir(whole)
                found = os.lstat(whole)
            _check_folder(found, prefix)
        return None, os.path.join(whole, name)

    def forget(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing is open."""


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    if slash and not folder:
        raise PathRefused(errno.EPERM, "the path is absolute", path)
    _check_name(name, path)
    return folder, name


def _components(folder: str) -> Iterator[tuple[str, str]]:
    """The path down to each component of a folder, and its name."""
    prefix = ""
    for name in folder.split("/") if folder else ():
        _check_name(name, folder)
        if not prefix and name.casefold() == ".pdl":
            raise PathRefused(errno.EPERM, "the folder .pdl belongs to pdl itself", folder)
        prefix = f"{prefix}/{name}" if prefix else name
        yield prefix, name


def _check_name(name: str, path: str) -> None:
    if name in ("", os.curdir, os.pardir):
        raise PathRefused(errno.EPERM, "the path has empty or relative components", path)


def _open_folder(name: str, at: int, path: str) -> int:
    try:
        return os.open(name, _PLAIN_FOLDER, dir_fd=at)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
    except OSError as error:
        if error.errno in _NOT_ENTERED:
            _check_folder(os.stat(name, dir_fd=at, follow_symlinks=False), path)
        raise
    return os.open(name, _PLAIN_FOLDER, dir_fd=at)


def _check_folder(found: os.stat_result, path: str) -> None:
    junction = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    if stat.S_ISLNK(found.st_mode) or junction:
        raise PathRefused(errno.ELOOP, "a link stands where a folder is needed; it is not followed", path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is needed", path)
