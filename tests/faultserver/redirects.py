"""Redirects: where to, how often, or nowhere."""

from __future__ import annotations

from .ask import Ask
from .files import whole
from .reply import plain_reply, with_length
from .steps import Steps


def redirect(ask: Ask) -> Steps:
    """To `to=ANY TEXT`, as it is, with `status=` (302)."""
    return _to(ask, ask.text("to"))


def chain(ask: Ask) -> Steps:
    """`/redirect/chain/N`: N hops, the last of which is to the file `/redirect/chain/0`."""
    hops = int(ask.segment(2))
    query = ask.record.target.partition("?")[2]
    return _to(ask, f"/redirect/chain/{hops - 1}{query and '?'}{query}") if hops else whole(ask)


def loop(ask: Ask) -> Steps:
    return _to(ask, ask.origin + ask.record.target)


def endless(ask: Ask) -> Steps:
    """To a new place each time: `/redirect/endless/N` to N + 1."""
    return _to(ask, f"/redirect/endless/{int(ask.segment(2) or 0) + 1}")


def nowhere(ask: Ask) -> Steps:
    return with_length(plain_reply(ask, ask.whole("status", 302), b"Gone, but not where to.\n"))


def _to(ask: Ask, location: str) -> Steps:
    reply = plain_reply(ask, ask.whole("status", 302), b"This is not the file, it is elsewhere.\n")
    return with_length(reply.put("Location", location))
