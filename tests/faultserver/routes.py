"""The table of routes: which fault is where.

The first segment or two of the path choose the route; what follows is the file's name, so that a test can have as
many variants as it likes. A path that no route claims is a good file, so that any name in any folder can be had.

Parameters that all routes take, in the query:
    size=N seed=S       the file is `content(N, S)`; without them 1000 bytes that follow from the path
    begin=TEXT          the file's first bytes
    delay=SECONDS       before the head
    fail=K              the first K requests for this target get the status `fail_with=` (503), with `retry_after=`
    times=K             the route's fault shows in the first K requests for this target, then the file is good
    etag= modified= date= type= field=    see `files.answer` and `reply.plain_reply`
"""

from __future__ import annotations

from collections.abc import Callable

from . import cuts, files, framing, ranges, redirects, slow, spans, statuses
from .ask import Ask
from .steps import Pause, Steps

ROUTES: dict[str, Callable[[Ask], Steps]] = {
    # good files
    "/file": files.whole,
    "/chunked": files.in_chunks,
    "/until-close": files.delimited_by_close,
    "/empty": files.empty,
    # not what was asked for
    "/html": files.html,
    "/gzip": files.coded,
    "/gzip-cut": cuts.coded_cut,
    "/bomb": files.bomb,
    "/status": statuses.status,
    "/no-content-with-body": statuses.no_content_with_body,
    "/partial-unasked": statuses.partial_unasked,
    "/login": statuses.login,
    # bodies that end too early
    "/cut": cuts.cut,
    "/chunks-cut": cuts.chunks_cut,
    "/chunk-cut": cuts.chunk_cut,
    "/trailer-cut": cuts.trailer_cut,
    "/until-close-cut": cuts.until_close_cut,
    # connections that are reset
    "/reset/before-head": cuts.reset_before_head,
    "/reset/in-head": cuts.reset_in_head,
    "/reset/in-body": cuts.reset_in_body,
    "/reset/in-chunks": cuts.reset_in_chunks,
    "/reset/until-close": cuts.reset_until_close,
    # no reply, or half a head
    "/no-reply/always": cuts.no_reply,
    "/no-reply/when-reused": cuts.no_reply_when_reused,
    "/closes-silently": cuts.closes_silently,
    "/head-cut": cuts.head_cut,
    "/not-http": framing.not_http,
    "/not-http/unended": framing.not_http_unended,
    "/version/1.2": framing.version(b"1.2"),
    "/version/2": framing.version(b"2"),
    # heads that break the rules, or are only odd
    "/length/negative": framing.lengths("-5"),
    "/length/junk": framing.lengths("{}s"),
    "/length/overflow": framing.lengths("99999999999999999999"),
    "/length/differing": framing.lengths("{}", "7"),
    "/length/differing-open": framing.lengths("{}", "7", stays=True),
    "/length/identical": framing.lengths("{}", "{}"),
    "/length/listed": framing.lengths("{0}, {0}"),
    "/length/too-small": framing.body_too_long,
    "/length/and-chunked": framing.length_and_chunked,
    "/forged/behind-length": framing.forged(files.whole),
    "/forged/behind-chunks": framing.forged(files.in_chunks),
    "/forged/behind-nothing": framing.forged(framing.no_content),
    "/forged/late": framing.forged(files.whole, late=True),
    "/header/nul": framing.header("X-Nul", "a\0b"),
    "/header/flood": framing.header_flood,
    "/header/long": framing.long_line,
    "/informed/briefly": framing.informed(3),
    "/informed/flood": framing.informed(500),
    "/informed/only": framing.informed(3, final=False),
    # chunks that break the rules
    "/chunk-size/negative": framing.chunk_line(b"-1"),
    "/chunk-size/junk": framing.chunk_line(b"junk"),
    "/chunk-size/empty": framing.chunk_line(b""),
    "/chunk-size/huge": framing.chunk_line(b"FFFFFFFF4"),
    "/chunk-size/overflow": framing.chunk_line(b"FFFFFFFFFFFFFFFF4"),
    "/chunk-size/too-small": framing.junk_after_chunk,
    # wrong answers to a request for the rest of a file
    "/range/later-start": ranges.resumed(ranges.shifted(+1)),
    "/range/earlier-start": ranges.resumed(ranges.shifted(-1)),
    "/range/short": ranges.resumed(ranges.short),
    "/range/unlabelled": ranges.resumed(ranges.unlabelled),
    "/range/unknown-total": ranges.resumed(ranges.claimed("bytes {start}-{last}/*")),
    "/range/other-total": ranges.resumed(ranges.claimed("bytes {start}-{last}/1{total}")),
    "/range/huge-total": ranges.resumed(ranges.claimed("bytes {start}-9223372036854775806/9223372036854775807")),
    "/range/beyond-all-bounds": ranges.resumed(ranges.claimed("bytes {start}-{last}/99999999999999999999")),
    "/range/twice": ranges.resumed(ranges.twice),
    "/range/bad-unit": ranges.resumed(ranges.claimed("lines {start}-{last}/{total}")),
    "/range/end-before-start": ranges.resumed(ranges.claimed("bytes {start}-0/{total}")),
    "/range/junk": ranges.resumed(ranges.claimed("all of it")),
    "/range/coded": ranges.resumed(ranges.coded),
    "/range/untyped": ranges.resumed(ranges.untyped),
    "/range/multipart": ranges.resumed(ranges.multipart),
    "/range/ignored": ranges.resumed(ranges.ignored),
    "/range/changed": ranges.resumed(ranges.changed),
    "/range/changed-unnoticed": ranges.resumed(ranges.changed_unnoticed),
    "/range/changed-under-old-etag": ranges.resumed(ranges.changed_under_old_etag),
    "/range/satisfied": ranges.resumed(ranges.satisfied),
    "/range/unsatisfied": ranges.resumed(ranges.unsatisfied),
    "/range/unsatisfied-unlabelled": ranges.resumed(ranges.unsatisfied_unlabelled),
    "/range/not-modified": ranges.resumed(ranges.refused(304)),
    "/range/precondition-failed": ranges.resumed(ranges.refused(412)),
    # wrong answers to requests for spans
    **spans.ROUTES,
    # slow, or without end
    "/stall/before-head": slow.stall_before_head,
    "/stall/in-body": slow.stall_in_body,
    "/drip": slow.drip,
    "/drip-in-head": slow.drip_in_head,
    "/endless": slow.endless,
    "/endless-chunks": slow.endless_chunks,
    # redirects
    "/redirect": redirects.redirect,
    "/redirect/chain": redirects.chain,
    "/redirect/loop": redirects.loop,
    "/redirect/endless": redirects.endless,
    "/redirect/nowhere": redirects.nowhere,
}

_FAMILIES = {route.split("/")[1] for route in ROUTES} - {route[1:] for route in ROUTES}


def steps_of(ask: Ask) -> Steps:
    """What the server does for a request."""
    if ask.text("delay"):
        yield Pause(ask.seconds("delay"))
    if ask.nth <= ask.whole("fail"):
        yield from statuses.refused(ask, ask.whole("fail_with", 503))
    elif "times" in ask and ask.nth > ask.whole("times"):
        yield from files.whole(ask)
    else:
        yield from route_of(ask.path)(ask)


def route_of(path: str) -> Callable[[Ask], Steps]:
    """The route that a path chooses.

    Raises:
        LookupError: the path names a family of faults, but none of its members.
    """
    first, second = [*path.split("/")[1:3], "", ""][:2]
    route = ROUTES.get(f"/{first}/{second}") or ROUTES.get(f"/{first}")
    if route is None and first in _FAMILIES:
        raise LookupError(f"there is no route {path}")
    return route or files.whole
