"""Downloads over TLS: connections that end in the wrong way, and servers that are not to be trusted."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_table import covering
from faultserver import Authority, FaultServer

import pdl
from pdl.errors import Kind

TLS_SAYS_RESET = ssl.OPENSSL_VERSION_INFO >= (3,)
"""Whether Python's ssl lets a reset be told from an end without its alert."""

ENDS = {
    "/until-close-cut?etag=none&modified=none": (Kind.TRUNCATED, 5),
    "/cut": (Kind.TRUNCATED, 1),
    "/chunks-cut": (Kind.TRUNCATED, 2),
    "/trailer-cut?etag=none&modified=none": (Kind.TRUNCATED, 2),
    "/reset/in-body": (Kind.RESET, 4),
    "/reset/in-chunks": (Kind.RESET, 4),
    "/reset/until-close?etag=none&modified=none": (Kind.RESET, 4),
    "/no-reply/always": (Kind.RESET, 6),
    "/reset/before-head": (Kind.RESET, 6),
    "/head-cut": (Kind.RESET, 7),
    "/reset/in-head": (Kind.RESET, 7),
}
"""Kinds of what ends too early, and rows."""


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "retries": 1, "retry_delay": 0.02, "timeout": 5.0, **more}


def files(dest: Path) -> list[str]:
    return [path.name for path in dest.iterdir() if path.name != ".pdl"]


@pytest.mark.parametrize("target", covering({target: [row] for target, (_, row) in ENDS.items()}))
def test_what_ends_too_early_over_tls_is_tried_again_and_gives_no_file(
    engine_name, tls_server: FaultServer, ca_pem: str, tmp_path: Path, target: str
):
    kind, _ = ENDS[target]
    result = pdl.download(tls_server.url(target), tmp_path, **options(engine_name, cacert=ca_pem))
    taken_for = {kind, Kind.TRUNCATED} if target.startswith("/reset/") and not TLS_SAYS_RESET else {kind}
    assert result.kind in taken_for, result
    assert result.attempts == 2
    assert files(tmp_path) == []


@pytest.mark.fault(5)
@pytest.mark.parametrize("target", ["/until-close?size=5000", "/file/whole", "/chunked/whole"])
def test_what_is_whole_by_its_framing_is_done(
    engine_name, tls_server: FaultServer, ca_pem: str, tmp_path: Path, target: str
):
    result = pdl.download(tls_server.url(target), tmp_path, **options(engine_name, cacert=ca_pem))
    assert (result.status, result.attempts) == ("done", 1)
    assert (tmp_path / str(result.path)).read_bytes() == tls_server.content(target)


@pytest.mark.fault(5)
def test_a_body_without_length_is_continued_after_an_end_without_alert(
    engine_name, tls_server: FaultServer, ca_pem: str, tmp_path: Path
):
    target = "/until-close-cut?at=500&times=1"
    result = pdl.download(tls_server.url(target), tmp_path, **options(engine_name, cacert=ca_pem))
    assert (result.status, result.attempts) == ("done", 2)
    assert [record.header("Range") for record in tls_server.requests] == [None, "bytes=500-"]
    assert (tmp_path / str(result.path)).read_bytes() == tls_server.content(target)


def old_context(authority: Authority) -> ssl.SSLContext:
    """Of a server that speaks no later version than TLS 1.1."""
    context = authority.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


UNTRUSTED: dict[str, Callable[[Authority], ssl.SSLContext]] = {
    "expired": lambda authority: authority.context(expired=True),
    "of another host": lambda authority: authority.context("elsewhere.test"),
    "self-made": lambda _: Authority().context(),
    "of an old version": old_context,
}


@pytest.mark.fault(49)
@pytest.mark.parametrize("what", UNTRUSTED)
def test_a_server_that_is_not_to_be_trusted_is_asked_once_and_sent_nothing(
    engine_name,
    start_server: Callable[..., FaultServer],
    authority: Authority,
    ca_pem: str,
    tmp_path: Path,
    what: str,
):
    server = start_server(tls=UNTRUSTED[what](authority))
    result = pdl.download(server.url("/file"), tmp_path, **options(engine_name, cacert=ca_pem))
    assert (result.kind, result.attempts) == (Kind.TLS, 1), result
    server.wait_until(lambda: not server.open_connections)
    assert (server.requests, files(tmp_path)) == ([], [])


@pytest.mark.fault(49)
@pytest.mark.parametrize("what", ["expired", "of another host", "self-made"])
def test_whoever_wants_takes_any_certificate(
    engine_name,
    start_server: Callable[..., FaultServer],
    authority: Authority,
    tmp_path: Path,
    what: str,
):
    server = start_server(tls=UNTRUSTED[what](authority))
    result = pdl.download(server.url("/file"), tmp_path, **options(engine_name, insecure=True))
    assert (result.status, result.attempts) == ("done", 1), result
