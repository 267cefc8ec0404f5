"""Names and passwords by host, from a netrc file."""

from __future__ import annotations

import netrc
import os
import sys

from . import url as urls
from .errors import SettingsError
from .patterns import pattern

_UNSENDABLE = pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DEFAULT = "default"


class Logins:
    """What a netrc file says of hosts, read once.

    Args:
        path: of the file.

    Raises:
        SettingsError: it cannot be read or understood; what stands in it is not in the message.
    """

    def __init__(self, path: str) -> None:
        self._by_host: dict[str, str] = {}
        self._otherwise: str | None = None
        for machine, (user, _, password) in _read(path).items():
            credentials = f"{user or ''}:{password or ''}"
            if ":" in (user or "") or _UNSENDABLE.search(credentials):
                raise SettingsError(f"netrc: what {path!r} says of {machine!r} has characters that cannot be sent")
            if machine == _DEFAULT:
                self._otherwise = credentials
            else:
                self._by_host[_host(machine)] = credentials

    def of(self, host: str) -> str | None:
        """`user:password` for a host of a canonical URL, or None."""
        return self._by_host.get(host.rstrip("."), self._otherwise)


def logins(given: bool | str) -> Logins | None:
    """The logins that the option asks for: of the file that it names, else of `NETRC` or the home folder.

    Raises:
        SettingsError: see `Logins`, or nobody knows where the home folder is.
    """
    if given is False:
        return None
    return Logins(given if isinstance(given, str) else _usual_path())


def _usual_path() -> str:
    if path := os.environ.get("NETRC"):
        return path
    home = os.path.expanduser("~")
    if home == "~":
        raise SettingsError("netrc: there is no home folder here; NETRC or the option may name the file")
    path = os.path.join(home, ".netrc")
    if sys.platform == "win32" and not os.path.exists(path):
        return os.path.join(home, "_netrc")
    return path


def _read(path: str) -> dict[str, tuple[str, str, str]]:
    try:
        return netrc.netrc(path).hosts
    except OSError as error:
        raise SettingsError(f"netrc: {path!r} cannot be read: {error.strerror or error}") from None
    except netrc.NetrcParseError as error:  # its words may be a password that stands in the wrong place
        raise SettingsError(f"netrc: {path!r} cannot be understood at or before line {error.lineno}") from None
    except ValueError:
        raise SettingsError(f"netrc: {path!r} is not a text file") from None


def _host(machine: str) -> str:
    """A machine as URLs have it: lower case, IDNA; as it stands if it cannot be in a URL."""
    try:
        parts = urls.split(urls.canonical(f"http://[{machine}]/" if ":" in machine else f"http://{machine}/").url)
    except urls.UrlError:
        return machine
    return parts.host.rstrip(".")
