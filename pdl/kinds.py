"""Some of the failures, by kind: what `--retry-failed` takes."""

from __future__ import annotations

from typing import NamedTuple

from .errors import Kind, SettingsError
from .patterns import pattern

_STATUSES = pattern(r"[1-5](?:xx|[0-9]{2})")


class Failures(NamedTuple):
    """Failures of one kind; of `http`, those with statuses from `least` to `most`."""

    kind: Kind
    least: int = 0
    most: int = 999


def parse_kinds(text: str) -> tuple[Failures, ...]:
    """Failures by their kinds, separated by commas, such as `http:5xx,http:404,dns`; empty for `all`.

    Raises:
        SettingsError: there is no such kind.
    """
    if text == "all":
        return ()
    return tuple(_failures(part.strip()) for part in text.split(","))


def _failures(text: str) -> Failures:
    name, colon, statuses = text.partition(":")
    if name not in {kind.value for kind in Kind}:
        known = ", ".join(kind.value for kind in Kind)
        raise SettingsError(
            f"retry_failed: there is no kind of failure {name!r}; there are all, {known}, and such as http:5xx"
        )
    if not colon:
        return Failures(Kind(name))
    if name != "http" or not _STATUSES.fullmatch(statuses):
        raise SettingsError(f"retry_failed: {text!r} names no failures; statuses are such as http:404 or http:5xx")
    if statuses.endswith("xx"):
        least = int(statuses[0]) * 100
        return Failures(Kind.HTTP, least, least + 99)
    return Failures(Kind.HTTP, int(statuses), int(statuses))
