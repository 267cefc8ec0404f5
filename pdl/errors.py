"""What can go wrong: the kinds of a failed entry, and the exceptions of the library.

A failed URL is a value (a `Kind` in a `Result`), never an exception. Exceptions are for the run itself:

    PdlError
    ├── SettingsError (ValueError)       an option that makes no sense
    │   ├── UnknownEngineError           no engine has that name
    │   └── EngineNotInstalledError      the engine's library is missing; the message says what installs it
    ├── SourceError                      a list cannot be read, or broke in the middle
    ├── DestinationError                 the destination cannot be written, or another run holds it
    ├── EngineError                      an engine's own collapse
    └── FailuresError                    raised on request, by `Summary.raise_for_failures()`
"""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """Why an entry failed: one vocabulary for all engines, the ledger, `--json` and the report."""

    INPUT = "input"  # a malformed line
    BLOCKED = "blocked"  # a scheme or an address that is not allowed
    DNS = "dns"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"  # the connection ended before or within the reply
    TRUNCATED = "truncated"  # the body is shorter than its framing says
    PROTOCOL = "protocol"  # framing, headers or ranges that break the rules
    CODING = "coding"  # a content coding that cannot be undone, is damaged or expands beyond measure
    HTTP = "http"  # an error status
    REDIRECT = "redirect"  # too many, a loop, or no Location
    EMPTY = "empty"  # 204 or 205
    TOO_LARGE = "too-large"
    DIGEST = "digest"  # digest or size differ from what the list says
    CONTENT_TYPE = "content-type"  # of none of the types that are accepted
    NAME = "name"  # no file can be put under this name
    DISK = "disk"
    WORKER = "worker"  # a worker raised or died
    INTERNAL = "internal"

    def __str__(self) -> str:
        return self.value


class PdlError(Exception):
    """The root of everything that pdl raises."""


class SettingsError(PdlError, ValueError):
    """An option that makes no sense; the message names it and says what it takes."""


class UnknownEngineError(SettingsError):
    """No engine has that name."""


class EngineNotInstalledError(SettingsError):
    """The engine exists, its library does not; the message names the command that installs it."""


class SourceError(PdlError):
    """A list of URLs cannot be opened, or broke in the middle."""


class DestinationError(PdlError):
    """The destination cannot be used: unwritable, held by another run, or not a folder."""


class EngineError(PdlError):
    """An engine collapsed; no attempt can be carried any more."""


class FailuresError(PdlError):
    """Some downloads failed.

    Args:
        failed: how many.
        summary_line: one line that says so, by kind.
    """

    def __init__(self, failed: int, summary_line: str) -> None:
        super().__init__(failed, summary_line)  # both, so that the exception survives pickling
        self.failed = failed
        self.summary_line = summary_line

    def __str__(self) -> str:
        return self.summary_line
