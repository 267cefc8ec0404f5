"""The values that travel between the floors: immutable, picklable, standard library only.

Those that are made for every entry or attempt are named tuples: a frozen data class takes three times as long
to make, and eight times as long to define. Their fields' types are no texts here, as elsewhere by a future import:
`typing` would compile each of those, which takes longer than the rest.
"""

from enum import Enum
from typing import Any, Literal, NamedTuple, Protocol

from .errors import Kind

Headers = tuple[tuple[str, str], ...]
"""Header fields in the order in which they are sent or came."""


class Digest(NamedTuple):
    """A digest that a file must have.

    Args:
        algorithm: `sha256`, `sha512`, `sha1` or `md5`.
        value: lower-case hexadecimal.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    def refutes(self, found: "Digest") -> str:
        """What is wrong with a file that should have this digest and has that one, in a sentence."""
        return f"the {self.algorithm} is {found.value}; the list says {self.value}"


DIGEST_LENGTHS = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}
"""Hexadecimal digits by algorithm, the strongest first."""


def parse_digest(text: str | None) -> Digest | None:
    """The digest that `str` gave this text; None of none."""
    return Digest(*text.split(":")) if text else None


def _shown(value: Any, *secrets: str) -> str:
    """What `repr` of a named tuple gives, without the fields that may hold a secret."""
    pairs = [f"{name}={each!r}" for name, each in value._asdict().items() if name not in secrets]
    return f"{type(value).__name__}({', '.join(pairs)})"


class Download(NamedTuple):
    """One entry of a list: what to fetch and what is known of it.

    Args:
        url: as `pdl.url.canonical()` gives it: encoded, without userinfo and fragment.
        mirrors: further URLs of the same file, in the same form.
        name: the file's name, if the list gives one; not yet made safe.
        digest: what the file must hash to.
        size: bytes the file must have.
        headers: sent with requests to the origins of `url` and `mirrors`, never elsewhere.
        credentials: `user:password` by URL, for those of `url` and `mirrors` that carried one.
        line: the entry as it stood in the list.
        where: `FILE:LINE`, or empty for URLs that come from Python.
    """

    url: str
    mirrors: tuple[str, ...] = ()
    name: str | None = None
    digest: Digest | None = None
    size: int | None = None
    headers: Headers = ()
    credentials: tuple[tuple[str, str], ...] = ()
    line: str = ""
    where: str = ""

    def __repr__(self) -> str:
        return _shown(self, "credentials", "line")


class Malformed(NamedTuple):
    """An entry that is not a download: it fails with its place in the list and stops nothing."""

    kind: Kind  # INPUT or BLOCKED
    message: str
    line: str  # printable: control characters are escaped, userinfo is masked, over-long lines are cut
    where: str = ""
    raw: str = ""
    """The line as it stood, for a list of failures; empty if it cannot stand in one."""

    def __repr__(self) -> str:
        return _shown(self, "raw")


Entry = Download | Malformed


class Validator(NamedTuple):
    """What tells one version of a file from another (RFC 9110 section 8.8), as one URL sent it."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    date: str | None = None  # the Date of the same response: a date validates only when it is older

    def __bool__(self) -> bool:
        return self.etag is not None or self.last_modified is not None


class Partial(NamedTuple):
    """The beginning of a file that can be continued.

    Args:
        size: bytes on disk, from the file's first.
        if_range: the strong validator for `If-Range` (RFC 9110 section 13.1.5).
        total: bytes of the whole file, if the server said so.
        url: the URL that sent them; no other may continue them.
        name: the file's name, if the server gave one and it is wanted.
        spans: which bytes are on disk, as `pdl.spans` writes it, where more may be than the first `size`: then the
            part is as long as the whole file.
    """

    size: int
    if_range: str
    total: int | None
    url: str
    name: str | None = None
    spans: str | None = None


class Span(NamedTuple):
    """The bytes that one attempt asks for of a file that several fetch at once (RFC 9110 section 14.1.2).

    Args:
        start: the first byte.
        stop: the byte after the last one. Of a probe, the file may end before it.
        if_range: the strong validator of the version that the others fetch; None of a probe, which finds it out.
        total: bytes of the whole file; None of a probe.
        unseen: the file's beginning is of an earlier run, which may have wanted other types of files.
    """

    start: int
    stop: int
    if_range: str | None = None
    total: int | None = None
    unseen: bool = False

    @property
    def is_probe(self) -> bool:
        """It is the first one of its file, and shows whether there can be others."""
        return self.if_range is None


class Reach(Enum):
    """Which addresses an attempt may connect to."""

    ANY = "any"
    NOT_LINK_LOCAL = "not-link-local"  # a redirect led here from another host; metadata services stay out of reach
    PUBLIC = "public"


class Attempt(NamedTuple):
    """One request for one URL: all that an engine needs to carry it, in any process.

    Args:
        id: unique within a run.
        row: the entry's row in the ledger.
        url: where to ask.
        part: path of the part file.
        headers: the user's header fields that may go to this URL.
        credentials: `user:password` for this URL's origin.
        proxy: URL of the proxy, credentials included; None goes directly.
        partial: what is on disk already.
        digest: what the file must hash to.
        size: bytes that the file must have.
        time_limit: seconds until the attempt is given up, however it goes.
        reach: which addresses of the URL's host may be connected to; through a proxy that is the proxy's affair.
        algorithm: of the digest to compute, where `digest` names none.
        unless: the version that is there already and need not be sent again.
        connect_within: seconds for name resolution, connection and TLS, where the job's own limit does not hold.
        span: the bytes to ask for, of a file that others fetch other bytes of; None asks for all that is missing.
    """

    id: int
    row: int
    url: str
    part: str
    headers: Headers = ()
    credentials: str | None = None
    proxy: str | None = None
    partial: Partial | None = None
    digest: Digest | None = None
    size: int | None = None
    time_limit: float | None = None
    reach: Reach = Reach.ANY
    algorithm: str | None = None
    unless: Validator | None = None
    connect_within: float | None = None
    span: Span | None = None

    def __repr__(self) -> str:
        return _shown(self, "headers", "credentials", "proxy")


class Verdict(Enum):
    """How an attempt ended."""

    DONE = "done"  # the part is whole and checked
    SPAN = "span"  # the bytes of the attempt's span are in the part; the others are the affair of other attempts
    NOT_MODIFIED = "not-modified"
    REDIRECT = "redirect"  # `Outcome.location` is the next hop
    RESTART = "restart"  # what was on disk cannot be continued: ask again from 0
    FAILED = "failed"  # `Outcome.kind` says why; the scheduler decides whether it is tried again
    STOPPED = "stopped"  # the engine was closed, or lost the attempt through no fault of its own


class Timings(NamedTuple):
    """Where the time of one attempt went: seconds on a real clock, None for what was not reached or cannot be told.

    Args:
        dns: until the addresses were there; 0.0 where they were known already, or not needed on a kept connection.
        connect: TCP, and a proxy's tunnel through it; 0.0 on a kept connection.
        tls: the handshake; 0.0 on a kept connection, and without TLS.
        wait: from the request to the first line of the final response, whose head came whole.
        body: from there to the end.
    """

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    wait: float | None = None
    body: float | None = None

    @property
    def first_byte(self) -> float | None:
        """Seconds of all that is known from before the body; None without a response."""
        if self.wait is None:
            return None
        return self.wait + sum(each for each in (self.dns, self.connect, self.tls) if each is not None)


class Outcome(NamedTuple):
    """How an attempt ended, and what the scheduler needs to go on.

    Args:
        verdict: see `Verdict`.
        kind: why it failed.
        message: the failure in a sentence, without secrets.
        status: the HTTP status, if there was one.
        size: bytes in the part; of a span, the place in the file up to which its bytes are there.
        received: bytes of body that came over the network.
        opened: the part on disk was opened, so what an earlier attempt left in it holds no more.
        ranges_ignored: the server answered a valid range request with the whole file.
        digest: what the part hashes to, if that was computed.
        first_byte: when the head came of the response that brought the file, in seconds since 1970.
        etag: that it came with.
        last_modified: that it came with.
        name: the whole file's name, if the server gave one and it is wanted; not yet made safe.
        location: the absolute, canonical target of a redirect.
        location_credentials: `user:password` that the target carried.
        retry_after: seconds that the server asked to wait; None if it gave no usable hint.
        partial: what can be continued later; of a span, `partial.size` is the place that it came to.
        retries: further tries that the failure is worth, where that is fewer than its kind is granted.
        errno: what the system said, of a `disk` failure or where it has no more files to open.
        proxy_failed: it was the proxy's own failure, so that other URLs would fare no better.
        past: the attempts and seconds that the download took, from an engine that only hands over what was
            fetched before.
        unreachable: no connection came about in the time that there is for one.
        timings: where the time went, if that is wanted and the engine can tell.
    """

    verdict: Verdict
    kind: Kind | None = None
    message: str = ""
    status: int | None = None
    size: int = 0
    received: int = 0
    opened: bool = False
    ranges_ignored: bool = False
    digest: Digest | None = None
    first_byte: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    name: str | None = None
    location: str | None = None
    location_credentials: str | None = None
    retry_after: float | None = None
    partial: Partial | None = None
    retries: int | None = None
    errno: int | None = None
    proxy_failed: bool = False
    past: tuple[int, float] | None = None
    unreachable: bool = False
    timings: Timings | None = None

    def timed(self, timings: Timings) -> "Outcome":
        """The same with its timings, made in the shortest way: it is done for every file."""
        return tuple.__new__(Outcome, self[:-1] + (timings,))  # noqa: RUF005 - takes half as long

    def __repr__(self) -> str:
        return _shown(self, "location_credentials")


class Responded(NamedTuple):
    """The head of a usable response has come, and its body is long enough to be worth continuing."""

    attempt: int
    status: int
    length: int | None  # bytes of the whole file, if known
    partial: Partial | None  # by what the file can be continued, if it can


class Advanced(NamedTuple):
    """Bytes of the file on disk so far, or the place that a span has come to; advice, throttled, may be lost."""

    attempt: int
    size: int


class Finished(NamedTuple):
    """The attempt has ended; nothing of it comes after."""

    attempt: int
    outcome: Outcome


Event = Responded | Advanced | Finished


class Engine(Protocol):
    """What carries attempts; CONTRIBUTING.md holds the contract."""

    capacity: int
    """Attempts it can carry at once."""

    def start(self, attempt: Attempt) -> None:
        """Begin to carry; never blocks."""

    def wait(self, timeout: float) -> list[Event]:
        """What happened since the last call; blocks up to `timeout` seconds while nothing has."""

    def close(self) -> None:
        """Stop everything within two seconds; part files stay."""


Status = Literal["done", "skipped", "failed"]
Reason = Literal["exists", "done", "duplicate", "not-modified"]


class Result(NamedTuple):
    """How one entry ended.

    Args:
        index: the entry's number, from 1; its row in the ledger.
        status: `done`, `skipped` or `failed`.
        url: the entry's URL without userinfo; a malformed line's text.
        path: the file below the destination, with `/` between folders; None if no name was settled.
        reason: why it was skipped.
        kind: why it failed.
        message: the failure in a sentence that says what to do.
        http_status: the last HTTP status.
        size: bytes of the file; 0 if there is none.
        attempts: requests made, those for spans included, without the hops of redirects.
        final_url: where the bytes came from, if that was not `url`.
        seconds: from the first attempt's start to the end.
        where: `FILE:LINE` of the entry.
        line: the entry as it stood in the list, for a list of failures.
        timings: of the attempt that ended it, if `Settings.timings` wants them and the engine gives them.
    """

    index: int  # type: ignore[assignment]  # what every tuple has under this name is of no use here
    status: Status
    url: str
    path: str | None = None
    reason: Reason | None = None
    kind: Kind | None = None
    message: str = ""
    http_status: int | None = None
    size: int = 0
    attempts: int = 0
    final_url: str | None = None
    seconds: float = 0.0
    where: str = ""
    line: str = ""
    timings: Timings | None = None

    def __repr__(self) -> str:
        return _shown(self, "line")


class Running(NamedTuple):
    """A download under way, for a bar of its own."""

    index: int  # type: ignore[assignment]  # what every tuple has under this name is of no use here
    path: str
    size: int  # bytes on disk
    total: int | None


class Progress(NamedTuple):
    """Where a run stands: a snapshot for reporters, at most ten a second."""

    read: int  # entries read from the list
    done: int
    skipped: int
    failed: int
    size: int  # bytes on disk of what is done or under way
    seconds: float
    fraction: float | None  # of the list that has ended, if that can be told
    total: int | None  # entries of the list, if that is known without reading it
    running: tuple[Running, ...] = ()
    active: int = 0  # downloads that an engine carries right now; not those that wait for their retry


class Notice(NamedTuple):
    """A message for people that belongs to no single entry.

    Args:
        message: one line or more.
        verbosity: from which on people want to be told.
    """

    message: str
    verbosity: int = 0
