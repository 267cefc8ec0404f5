"""Wrong answers to a request for a span of a file, one with both ends.

Of `/span/...` the first bytes come as they should, and what lies behind them does not. Of `/probe/...` it is the
first bytes that do not. A request without a range is well served, so that whoever starts again gets the file.
"""

from __future__ import annotations

from collections.abc import Callable

from .ask import Ask
from .files import answer, whole
from .ranges import shifted, twice, unlabelled
from .redirects import redirect
from .reply import Reply, plain_reply, with_length
from .slow import stall_in_body
from .steps import End, Steps

_NOT_THE_FILE = b"This is no part of the file.\n"
_RIGHT = "bytes {start}-{last}/{total}"

Lie = Callable[[Ask, int, int], Reply]
"""Makes the answer to a request for the bytes from here to there, the latter left out."""


def behind(lie: Lie, *, version: int = 1) -> Callable[[Ask], Steps]:
    """The route that tells this lie of all but the first bytes; whoever starts again gets this version."""

    def route(ask: Ask) -> Steps:
        span = ask.span(len(ask.content()))
        if span is None:
            return with_length(answer(ask, version))
        return whole(ask) if span[0] == 0 else with_length(lie(ask, *span))

    return route


def before(lie: Lie) -> Callable[[Ask], Steps]:
    """The route that tells this lie of every span."""

    def route(ask: Ask) -> Steps:
        span = ask.span(len(ask.content()))
        return whole(ask) if span is None else with_length(lie(ask, *span))

    return route


def cut_behind(ask: Ask) -> Steps:
    """All but the first bytes end after half of what was asked for; `times=K` as everywhere."""
    reply = answer(ask)
    if ask.nth == 1:
        yield from with_length(reply)
        return
    yield reply.put("Content-Length", str(len(reply.body))).head()
    yield reply.body[: len(reply.body) // 2]
    yield End.CUT


def stalled_at_first(ask: Ask) -> Steps:
    """The first request gets but 5,000 bytes until the test releases the target, later ones what they ask for.

    Of these, the first `refused=N` (none) get 503.
    """
    if ask.nth == 1:
        return stall_in_body(ask, 5000)
    if ask.nth <= 1 + ask.whole("refused"):
        return with_length(plain_reply(ask, 503, _NOT_THE_FILE))
    return whole(ask)


def busy_behind(ask: Ask) -> Steps:
    """503 to every request but the first; from the `from=N`th one on, all is well again."""
    if 1 < ask.nth < ask.whole("from", 1 << 30):
        return with_length(plain_reply(ask, 503, _NOT_THE_FILE))
    return whole(ask)


def redirected_behind(ask: Ask) -> Steps:
    """All but the first bytes are elsewhere."""
    span = ask.span(len(ask.content()))
    return whole(ask) if span is None or span[0] == 0 else redirect(ask)


def at(lie: Callable[[Ask, int], Reply]) -> Lie:
    """A lie that does not care where the span ends."""
    return lambda ask, start, _stop: lie(ask, start)


def _claiming(ask: Ask, start: int, stop: int, template: str, version: int = 1) -> Reply:
    """The bytes under a Content-Range of one's own."""
    content = ask.content(version)
    reply = answer(ask, version)
    reply.status, reply.body = 206, memoryview(content)[start:stop]
    return reply.put("Content-Range", template.format(start=start, last=stop - 1, total=len(content)))


def claimed(template: str) -> Lie:
    return lambda ask, start, stop: _claiming(ask, start, stop, template)


def shorter(ask: Ask, start: int, stop: int) -> Reply:
    """An honest 206 with fewer bytes than were asked for."""
    return _claiming(ask, start, max(start + 1, stop - 7), _RIGHT)


def longer(ask: Ask, start: int, stop: int) -> Reply:
    """The right Content-Range over more bytes than that."""
    reply = _claiming(ask, start, stop, _RIGHT)
    reply.body = bytes(reply.body) + b"more than was asked for"
    return reply


def coded(ask: Ask, start: int, stop: int) -> Reply:
    return _claiming(ask, start, stop, _RIGHT).put("Content-Encoding", "gzip")


def ignored(ask: Ask, _start: int, _stop: int) -> Reply:
    """The whole file, in the version that was asked for."""
    reply = answer(ask)
    reply.status, reply.body = 200, ask.content()
    return reply.drop("Content-Range")


def changed(ask: Ask, _start: int, _stop: int) -> Reply:
    """The file has changed: with If-Range a 200 with the new one."""
    return answer(ask, version=2)


def changed_unnoticed(ask: Ask, start: int, stop: int) -> Reply:
    """206 of a new version under its own ETag, whatever If-Range says."""
    return _claiming(ask, start, stop, _RIGHT, version=2)


def refused(status: int) -> Lie:
    return lambda ask, _start, _stop: plain_reply(ask, status, b"" if status == 304 else _NOT_THE_FILE)


ROUTES: dict[str, Callable[[Ask], Steps]] = {
    "/span/ignored": behind(ignored),
    "/span/changed": behind(changed, version=2),
    "/span/changed-unnoticed": behind(changed_unnoticed, version=2),
    "/span/shifted": behind(at(shifted(+1))),
    "/span/unlabelled": behind(at(unlabelled)),
    "/span/twice": behind(at(twice)),
    "/span/other-total": behind(claimed("bytes {start}-{last}/1{total}")),
    "/span/unknown-total": behind(claimed("bytes {start}-{last}/*")),
    "/span/shorter": behind(shorter),
    "/span/longer": behind(longer),
    "/span/coded": behind(coded),
    "/span/not-modified": behind(refused(304)),
    "/span/precondition-failed": behind(refused(412)),
    "/span/unsatisfied": behind(refused(416)),
    "/span/gone": behind(refused(404)),
    "/span/redirected": redirected_behind,
    "/span/cut": cut_behind,
    "/span/busy": busy_behind,
    "/span/stalled": stalled_at_first,
    "/probe/unlabelled": before(at(unlabelled)),
    "/probe/unknown-total": before(claimed("bytes {start}-{last}/*")),
    "/probe/bad-unit": before(claimed("lines {start}-{last}/{total}")),
    "/probe/shifted": before(at(shifted(+1))),
    "/probe/shorter": before(shorter),
    "/probe/longer": before(longer),
    "/probe/coded": before(coded),
    "/probe/ignored": before(ignored),
    "/probe/bad-request": before(refused(400)),
    "/probe/unsatisfied": before(refused(416)),
}
"""What `routes.py` has of these."""
