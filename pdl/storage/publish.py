"""Publishing: a complete part gets its final name, and nothing else ever does."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from pdl.descriptors import SHORTAGES

from .exclusive import identity
from .folders import folders_below

_NO_LINKS = frozenset(
    {
        errno.EPERM,  # FAT, and what is mounted like it
        errno.EACCES,  # Android
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.ENOSYS,
        errno.EINVAL,  # Windows, FAT
        errno.EMLINK,
        errno.EXDEV,  # AFS links within one folder only
    }
)
_ONCE_MORE = SHORTAGES | {errno.ENOENT}  # a folder may have been removed while its descriptor was kept
_NO_FOLLOW: dict[str, Any] = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}


class Publisher:
    """Moves complete parts to their final names below a destination.

    Args:
        dest: folder that receives the files; on the same file system as the parts.
        overwrite: replace what has the name already. Without it nothing that exists is replaced.
    """

    def __init__(self, dest: str, *, overwrite: bool) -> None:
        self._folders = folders_below(dest)
        self._overwrite = overwrite
        self._links = True  # until the file system shows that it has none

    def publish(self, part: str, path: str, *, replace: bool = False) -> None:
        """Give the file `part` its final name.

        Args:
            part: path of a complete, closed part.
            path: below the destination, with `/` between components that are safe names.
            replace: what has the name already.

        Raises:
            FileExistsError: the name is taken.
            IsADirectoryError: a folder has the name.
            NotADirectoryError: a file stands where a folder is needed.
            PathRefused: the path leads through a link or out of the destination.
            OSError: what else the disk refuses.
        """
        try:
            self._publish(part, path, replace=replace)
        except OSError as error:
            if error.errno not in _ONCE_MORE:
                raise
            self._folders.forget()
            self._publish(part, path, replace=replace)

    def close(self) -> None:
        """Give all descriptors back."""
        self._folders.close()

    def _publish(self, part: str, path: str, *, replace: bool) -> None:
        at, name = self._folders.locate(path)
        if replace or self._overwrite:
            _replace(part, name, at)
        elif self._links:
            self._link(part, name, at)
        else:
            _replace_nothing(part, name, at)

    def _link(self, part: str, name: str, at: int | None) -> None:
        try:
            os.link(part, name, dst_dir_fd=at, **_NO_FOLLOW)
        except FileExistsError:
            _refuse(part, name, at)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _replace_nothing(part, name, at)
            self._links = False  # known only now: a folder that may not be written gives the same errors
            return
        try:  # noqa: SIM105 - once a file, and faster than suppress()
            os.unlink(part)
        except OSError:  # the file stands; a second name among the parts gives way when it is in the way
            pass


def _replace(part: str, name: str, at: int | None) -> None:
    """Move, onto whatever has the name: a link is replaced itself, its target stays."""
    try:
        os.replace(part, name, dst_dir_fd=at)
    except OSError:
        if stat.S_ISDIR(_mode(name, at)):
            raise _a_folder(name) from None
        raise


def _replace_nothing(part: str, name: str, at: int | None) -> None:
    """Move to a name that is free; between the look and the move another program could take it."""
    if _mode(name, at):
        _refuse(part, name, at)
    else:
        os.replace(part, name, dst_dir_fd=at)


def _refuse(part: str, name: str, at: int | None) -> None:
    """The name is taken: by this very file, if a run was killed between linking and unlinking, or by another."""
    taken = os.stat(name, dir_fd=at, follow_symlinks=False)
    if stat.S_ISDIR(taken.st_mode):
        raise _a_folder(name)
    if identity(taken) != identity(os.lstat(part)):
        raise FileExistsError(errno.EEXIST, "a file with this name exists already", name)
    os.unlink(part)


def _mode(name: str, at: int | None) -> int:
    """The type and permissions of what has the name; 0 if nothing has."""
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _a_folder(name: str) -> IsADirectoryError:
    return IsADirectoryError(errno.EISDIR, "a folder has this name", name)
