"""The options of a job, as one frozen value."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from ._version import __version__
from .errors import SettingsError
from .kinds import parse_kinds
from .model import Headers

Layout = Literal["flat", "tree", "hash"]

DIGESTS = ("sha256", "sha512", "sha1", "md5")

FORBIDDEN_HEADERS = frozenset(
    {"host", "range", "if-range", "accept-encoding", "connection", "content-length", "transfer-encoding"}
)
"""Header fields that belong to the transfer itself; a user's value would break framing or resuming."""


@dataclass(frozen=True)
class Settings:
    """Every option of a job; each is an option of the command line by the same name.

    Args:
        dest: folder that receives the files.
        engine: name of the engine, or an instance of one.
        jobs: attempts at once, over all hosts.
        worker_engine: name of the engine of each worker of the engine `processes`; None is `sequential`.
        workers: of the engine `processes`; None is `jobs` with `sequential` ones, else the number of CPUs.
        per_host: attempts at once to one host; None sets no limit below `jobs`.
        split: attempts at once for one large file, within `jobs` and `per_host`; 1 fetches each file in one piece.
        split_size: bytes; the least that is asked for at once of a file that is split. No smaller file is.
        retries: tries after the first one.
        retry_delay: seconds; the first back-off is drawn from 0 to this, and the range doubles each time.
        connect_timeout: seconds for name resolution, connection and TLS.
        timeout: seconds; over such a window at least `min_speed` must come.
        min_speed: bytes a second.
        max_time: seconds for one file, all its tries together; None sets no limit.
        max_filesize: bytes; a larger file fails.
        max_redirects: hops for one try.
        accept: media ranges such as `image/*`; a file that is of none of them fails. Empty takes any file.
        raw: keep a content coding such as gzip, instead of undoing it.
        deadline: seconds for the whole job.
        headers: sent to the origins that the list names, never to another.
        netrc: True takes credentials by host from `NETRC` or `~/.netrc`, a path from there.
        user_agent: what pdl calls itself.
        http3: speak HTTP/3 with servers that offer it; the engine `curl` only.
        proxy: URL of the proxy for everything; None takes it from the environment, "" goes directly.
        cacert: file or folder of CA certificates; None takes it from the environment or certifi.
        insecure: accept any certificate.
        block_private: connect to public addresses only.
        layout: `flat` (one folder), `tree` (host/path as in the URL), `hash` (fan-out folders).
        output: a template for the path, instead of a layout.
        content_disposition: take names from the servers, where the list and `output` give none.
        state_dir: folder of the ledger and the lock, instead of `.pdl` in the destination.
        no_state: keep no ledger; nothing is known of the run when it has ended.
        overwrite: replace files that exist.
        update: ask again for what is done, and replace what has changed.
        verify: read what is there, and fetch what is missing or damaged.
        dry_run: with `verify`, only tell; of what the ledger knows.
        checksums: file of digests by path, such as sha256sum writes.
        retry_failed: kinds of failures to try again, taken from the ledger instead of a list; `all` takes all.
        durable: flush files, names and the account to the disk before they count as done.
        digest: algorithm of the digest that is computed of every file and kept in the ledger.
        failed: file that receives the failed lines, to be fed back.
        timings: measure where the time of each download goes.
    """

    dest: str = "."
    engine: Any = "auto"
    jobs: int = 16
    worker_engine: str | None = None
    workers: int | None = None
    per_host: int | None = None
    split: int = 1
    split_size: int = 2 << 20
    retries: int = 4
    retry_delay: float = 1.0
    connect_timeout: float = 10.0
    timeout: float = 30.0
    min_speed: float = 100.0
    max_time: float | None = None
    max_filesize: int | None = None
    max_redirects: int = 20
    accept: tuple[str, ...] = ()
    raw: bool = False
    deadline: float | None = None
    headers: Headers = field(default=(), repr=False)  # may hold secrets, as a proxy's URL may
    netrc: bool | str = False
    user_agent: str = f"pdl/{__version__}"
    http3: bool = False
    proxy: str | None = field(default=None, repr=False)
    cacert: str | None = None
    insecure: bool = False
    block_private: bool = False
    layout: Layout = "flat"
    output: str | None = None
    content_disposition: bool = False
    state_dir: str | None = None
    no_state: bool = False
    overwrite: bool = False
    update: bool = False
    verify: bool = False
    dry_run: bool = False
    checksums: str | None = None
    retry_failed: str | None = None
    durable: bool = False
    digest: str | None = None
    failed: str | None = None
    timings: bool = False

    def __post_init__(self) -> None:
        for name in ("dest", "cacert", "failed", "output", "checksums", "state_dir"):
            object.__setattr__(self, name, _checked_path(name, getattr(self, name)))
        object.__setattr__(self, "headers", _checked_headers(self.headers))
        object.__setattr__(self, "accept", _checked_accept(self.accept))
        if not isinstance(self.netrc, bool):
            object.__setattr__(self, "netrc", _checked_path("netrc", self.netrc))
        self._check_numbers()
        for name in (
            "http3",
            "insecure",
            "block_private",
            "content_disposition",
            "no_state",
            "overwrite",
            "update",
            "verify",
            "dry_run",
            "raw",
            "durable",
            "timings",
        ):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} is True or False, not {getattr(self, name)!r}")
        if self.worker_engine is not None and not isinstance(self.worker_engine, str):
            raise SettingsError(f"worker_engine is the name of an engine, not {self.worker_engine!r}")
        if self.layout not in get_args(Layout):
            raise SettingsError(f"layout is one of {', '.join(get_args(Layout))}, not {self.layout!r}")
        if self.dry_run and not self.verify:
            raise SettingsError("dry_run tells what verify finds, and needs it")
        for name in ("overwrite", "update"):
            if self.verify and getattr(self, name):
                raise SettingsError(f"verify and {name} exclude each other: one after the other does both")
        if self.retry_failed is not None:
            if not isinstance(self.retry_failed, str):
                raise SettingsError(f"retry_failed takes kinds of failures as text, not {self.retry_failed!r}")
            parse_kinds(self.retry_failed)
        if self.digest is not None and self.digest not in DIGESTS:
            raise SettingsError(f"digest is one of {', '.join(DIGESTS)}, not {self.digest!r}")
        self._check_state()
        agent = self.user_agent
        if not isinstance(agent, str) or not agent.isprintable() or not agent.isascii():
            raise SettingsError("user_agent takes printable ASCII characters only")
        if self.proxy is not None and not isinstance(self.proxy, str):
            raise SettingsError(f"proxy takes a URL, not {self.proxy!r}")

    def _check_state(self) -> None:
        if not self.no_state:
            return
        for name in ("state_dir", "update", "verify", "retry_failed", "digest"):
            if getattr(self, name) not in (None, False):
                raise SettingsError(f"no_state keeps no ledger, which {name} is about")

    def _check_numbers(self) -> None:
        for name, least in _LEAST_WHOLE.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST_WHOLE:
                raise SettingsError(f"{name} takes a whole number from {least}, not {value!r}")
        if self.jobs > MOST_JOBS:
            raise SettingsError(f"jobs takes a whole number up to {MOST_JOBS}, not {self.jobs}")
        if self.split > MOST_SPLIT:
            raise SettingsError(f"split takes a whole number up to {MOST_SPLIT}, not {self.split}")
        for name, least, exclusive in _LEAST_REAL:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if (
                not isinstance(value, (int, float))
                or isinstance(value, bool)
                or not abs(value) <= sys.float_info.max  # nor nan
                or value < least
                or (exclusive and value == least)
            ):
                bound = f"above {least}" if exclusive else f"from {least}"
                raise SettingsError(f"{name} takes a number {bound}, not {value!r}")


MOST_JOBS = 65_535
MOST_SPLIT = 1024
_MOST_WHOLE = 2**63 - 1
_LEAST_WHOLE = {
    "jobs": 1,
    "workers": 1,
    "per_host": 1,
    "split": 1,
    "split_size": 64 << 10,
    "retries": 0,
    "max_filesize": 0,
    "max_redirects": 0,
}
_LEAST_REAL = (
    ("retry_delay", 0, False),
    ("connect_timeout", 0, True),
    ("timeout", 0, True),
    ("min_speed", 0, False),
    ("max_time", 0, True),
    ("deadline", 0, True),
)
_OPTIONAL = frozenset(
    {
        "workers",
        "per_host",
        "max_filesize",
        "max_time",
        "deadline",
        "cacert",
        "failed",
        "output",
        "checksums",
        "state_dir",
    }
)
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _checked_path(name: str, given: Any) -> str | None:
    if given is None and name in _OPTIONAL:
        return None
    try:
        path = os.fsdecode(given)
    except TypeError:
        raise SettingsError(f"{name} takes a path, not {given!r}") from None
    if not path and name in ("state_dir", "failed", "checksums"):  # an unset variable of a shell
        raise SettingsError(f"{name} takes a path, not {given!r}")
    return path


def _checked_headers(given: Any) -> Headers:
    """Header fields from pairs or a mapping, checked by RFC 9110 section 5."""
    try:
        pairs = [(name, value) for name, value in (given.items() if hasattr(given, "items") else given)]
    except (TypeError, ValueError):
        raise SettingsError("headers takes pairs of a name and a value, or a mapping") from None
    checked = []
    for name, value in pairs:
        if not isinstance(name, str) or not name or not set(name) <= _TOKEN:
            raise SettingsError(f"{name!r} is not the name of a header field")
        if name.lower() in FORBIDDEN_HEADERS:
            raise SettingsError(f"the header field {name!r} belongs to the transfer and cannot be set")
        if not isinstance(value, str):
            raise SettingsError(f"the value of the header field {name!r} is a {type(value).__name__}, not text")
        trimmed = value.strip(" \t")
        if any((ord(c) < 0x20 and c != "\t") or ord(c) == 0x7F or ord(c) > 0xFF for c in trimmed):
            raise SettingsError(f"the value of the header field {name!r} has characters that cannot be sent")
        checked.append((name, trimmed))
    return tuple(checked)


def _checked_accept(given: Any) -> tuple[str, ...]:
    """Media ranges (RFC 9110 section 12.5.1) from texts, each of which may be a list with commas."""
    try:
        texts = [given] if isinstance(given, str) else list(given)
        ranges = [each.strip(" \t").lower() for text in texts for each in text.split(",")]
    except (TypeError, AttributeError):
        raise SettingsError(f"accept takes media types such as image/* or application/pdf, not {given!r}") from None
    for text in ranges:
        main, slash, sub = text.partition("/")
        is_name = slash and main and sub and set(main + sub) <= _TOKEN - {"*"}
        if not is_name and text != "*/*" and not (sub == "*" and main and set(main) <= _TOKEN - {"*"}):
            raise SettingsError(f"accept takes media types such as image/* or application/pdf, not {text!r}")
    return tuple(ranges)


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings from keyword arguments.

    Raises:
        SettingsError: an unknown option, or a value that makes no sense.
    """
    known = {each.name for each in fields(Settings)}
    for name in options:
        if name not in known:
            raise SettingsError(f"there is no option {name!r}; there are {', '.join(sorted(known))}")
    return Settings(**options)
