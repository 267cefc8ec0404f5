"""Paths: which are taken, by what, and what stands there already."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, islice

from .model import Download
from .naming import SafeName, ends_for_hash, hash64, joined_by_hash, key, key_hash, with_hash
from .storage.database import storable
from .storage.filter import Filter

_REMEMBERED = 10_000
"""Folders, and paths known to be taken, that are kept to save work."""
_SUCCESSIVE = 8
"""Paths that a claim tries one after another before a name is thought to be a new one."""
_FOLDER, _FOLDER_TOO = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
"""Folders stand in the filter under two keys of their own: a false answer would put one where a file is."""

Found = os.stat_result | OSError | None
"""What stands at a path: nothing is None; an error says why that cannot be told."""


class Paths:
    """Which paths are taken, and by what.

    Args:
        disk: what stands in the destination.
        taken: paths that nothing may have.
    """

    def __init__(self, disk: Disk, taken: Iterable[str]) -> None:
        self.found: Found = None
        """What stands at the path that was claimed last."""
        self._disk = disk
        self._taken = Filter()
        self._full: dict[str, tuple[str, str]] = {}  # plain paths that are taken, apart for a hash
        self._folders: dict[str, str] = {}  # by the plain path of each
        self._has_folders = False
        for path in taken:
            self.take(path)

    def take(self, path: str) -> None:
        """Keep a path, and its folders, from being given to others."""
        self._taken.add(key_hash(path))
        folder = path.rpartition("/")[0]
        while folder and self._folders.get(folder) != folder:
            self._take_folder(key_hash(folder))
            self._remember(folder, folder)
            folder = folder.rpartition("/")[0]

    def claim(self, path: str, mark: int) -> str:
        """The path that a new entry gets.

        Args:
            path: the plain one.
            mark: identity of the entry.
        """
        if "/" in path:
            folder, _, name = path.rpartition("/")
            path = f"{self._folders.get(folder) or self._enter(folder)}/{name}"
        ends = self._full.get(path)
        if ends is None:
            if self._is_free(path):
                return path
            if len(self._full) >= _REMEMBERED:
                self._full.clear()
            ends = self._full[path] = ends_for_hash(path)
        hashed = joined_by_hash(ends, mark)
        if self._is_free(hashed):
            return hashed
        return next(filter(self._is_free, _others(path, mark)))

    def rename(self, path: str, name: SafeName, mark: int) -> str:
        """The path that an entry gets for another name in its folder; its own, if it was for that.

        Args:
            path: what was claimed for the entry.
            name: the plain one.
            mark: identity of the entry.
        """
        folder, slash, _ = path.rpartition("/")
        plain = f"{folder}{slash}{name}"
        successive = islice(chain((plain, with_hash(plain, mark)), _others(plain, mark)), _SUCCESSIVE)
        return path if key(path) in map(key, successive) else self.claim(plain, mark)

    def _is_free(self, path: str) -> bool:
        place = key_hash(path)
        if self._taken.add(place) or (self._has_folders and self._is_folder(place)):
            return False
        if self._disk.is_empty:  # asked here, since it is so for nearly every path
            return True
        self.found = found = self._disk.look(path)
        return not isinstance(found, os.stat_result) or not stat.S_ISDIR(found.st_mode)

    def _enter(self, folder: str) -> str:
        """The folder that stands for a plain one."""
        above, slash, name = folder.rpartition("/")
        plain = f"{self._folders.get(above) or self._enter(above)}/{name}" if slash else name
        mark = hash64(plain)
        candidates = chain((plain, with_hash(plain, mark)), _others(plain, mark))
        chosen = next(filter(self._takes_files, candidates))
        self._remember(folder, chosen)
        return chosen

    def _takes_files(self, folder: str) -> bool:
        found = self._disk.look(folder)
        if isinstance(found, os.stat_result) and not stat.S_ISDIR(found.st_mode):
            return False
        place = key_hash(folder)
        if self._is_folder(place):
            return True
        if place in self._taken:
            return False
        self._take_folder(place)
        return True

    def _is_folder(self, place: int) -> bool:
        return place ^ _FOLDER in self._taken and place ^ _FOLDER_TOO in self._taken

    def _take_folder(self, place: int) -> None:
        self._taken.add(place ^ _FOLDER)
        self._taken.add(place ^ _FOLDER_TOO)
        self._has_folders = True

    def _remember(self, folder: str, chosen: str) -> None:
        if len(self._folders) >= _REMEMBERED:
            self._folders.clear()
        self._folders[folder] = chosen


def _others(path: str, mark: int) -> Iterator[str]:
    """Paths for what can have neither its plain path nor the one with its hash."""
    for number in count(1):
        yield with_hash(path, hash64(f"{mark:016x}{number}"))


class Disk:
    """What stands in the destination.

    Args:
        dest: the destination.
        ignored: keys of paths that do not count when it is asked whether there is anything.
    """

    def __init__(self, dest: str, ignored: frozenset[str]) -> None:
        self._prefix = os.path.join(os.path.abspath(dest), "")
        self.check: Callable[[], None] = lambda: None
        """Called now and then while a file is read; ends it by raising."""
        try:
            with os.scandir(dest) as found:
                # what was empty holds only what this run has given away, and paths are given once
                self.is_empty = all(key(each.name) in ignored or each.name == ".pdl" for each in found)
        except OSError:  # it may be entered and written, but not read
            self.is_empty = False

    def look(self, path: str) -> Found:
        """What stands at a path, or why that cannot be told; links are not followed."""
        if self.is_empty:
            return None
        try:
            return os.lstat(self._prefix + path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error
        except UnicodeEncodeError:
            return OSError(errno.EILSEQ, "names cannot have all of its characters here; a UTF-8 locale helps")

    def difference(self, download: Download, path: str, found: os.stat_result) -> str:
        """What a regular file has that the list says otherwise, in words; empty if nothing."""
        if download.size is not None and download.size != found.st_size:
            return f"{found.st_size} bytes, where the list says {download.size}"
        if download.digest is None:
            return ""
        try:
            actual = self.digest(path, download.digest.algorithm)
        except OSError as error:
            return f"a digest that cannot be computed ({error.strerror or error})"
        return "" if actual == download.digest.value else f"another {download.digest.algorithm} than the list says"

    def digest(self, path: str, algorithm: str) -> str:
        """The digest of a file; follows no link and may raise OSError."""
        digest = hashlib.new(algorithm, usedforsecurity=False)
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._prefix + path, flags), "rb", buffering=0) as file:
            while data := file.read(1 << 20):
                digest.update(data)
                self.check()
        return digest.hexdigest()


def seen_from(dest: str, file: str) -> set[str]:
    """The paths of a file as seen from the destination: where it is, and where a link to it is."""
    root = os.path.realpath(dest)
    folder, name = os.path.split(os.path.abspath(file))
    places = (os.path.realpath(file), os.path.join(os.path.realpath(folder), name))
    relative = (
        os.path.relpath(place, root)
        for place in places
        if os.path.splitdrive(place)[0] == os.path.splitdrive(root)[0]
    )
    inside = {path.replace(os.sep, "/") for path in relative if path.split(os.sep)[0] != os.pardir}
    return {path for path in inside if path == storable(path)}  # what is not UTF-8 is never given to a download
