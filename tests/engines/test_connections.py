"""Which connection serves the next request: none whose last reply left a doubt where it ended."""

from __future__ import annotations

import select
from pathlib import Path

import pytest
from carrying import engine_of, fetch_one
from fault_table import covering
from faultserver import FaultServer

from pdl.errors import Kind
from pdl.model import Outcome, Verdict

DOUBTFUL = {
    "/forged/behind-length": [22],
    "/forged/behind-chunks": [22],
    "/forged/behind-nothing": [22, 31],
    "/forged/late": [22],
    "/no-content-with-body": [31],
    "/length/and-chunked": [21],
    "/file?field=Transfer-Encoding:%20identity": [21],
    "/length/differing-open": [20],
}
"""Replies after which the server would take another request on the connection, and their rows."""


def then_another(engine_name: str, server: FaultServer, target: str, folder: Path) -> tuple[Outcome, Outcome]:
    """The outcomes of a target and of a good file that is asked for after it."""
    with engine_of(engine_name, jobs=1) as engine:
        first = fetch_one(engine, server.url(target), folder)
        server.wait_until(lambda: not server.in_flight())
        return first, fetch_one(engine, server.url("/file/next"), folder)


@pytest.mark.parametrize("target", covering(DOUBTFUL))
def test_a_reply_of_doubtful_end_ends_its_connection(engine_name, server: FaultServer, tmp_path: Path, target: str):
    if engine_name == "curl" and target == "/forged/late" and not hasattr(select, "epoll"):
        pytest.skip("without epoll, libcurl looks at a kept connection only a second after its last use")
    _, after = then_another(engine_name, server, target, tmp_path)
    assert after.verdict is Verdict.DONE, after
    assert (tmp_path / "1.part").read_bytes() == server.content("/file/next")
    first, second = server.requests
    assert first.connection != second.connection


@pytest.mark.fault(3)
@pytest.mark.parametrize("target", ["/chunk-size/junk", "/chunk-size/too-small"])
def test_broken_chunks_end_their_connection(engine_name, server: FaultServer, tmp_path: Path, target: str):
    before, after = then_another(engine_name, server, target, tmp_path)
    assert (before.kind, after.verdict) == (Kind.PROTOCOL, Verdict.DONE)
    first, second = server.requests
    assert first.connection != second.connection


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    "target", ["/no-reply/when-reused", "/reset/before-head?times=1", "/no-reply/always?times=1"]
)
def test_a_used_connection_that_ends_without_a_reply_costs_no_attempt(
    engine_name, server: FaultServer, tmp_path: Path, target: str
):
    with engine_of(engine_name, jobs=1) as engine:
        fetch_one(engine, server.url("/file/first"), tmp_path)
        outcome = fetch_one(engine, server.url(target), tmp_path)
    assert outcome.verdict is Verdict.DONE, outcome
    first, refused, answered = server.requests
    assert first.connection == refused.connection != answered.connection


@pytest.mark.fault(6)
def test_a_new_connection_that_ends_without_a_reply_is_not_replaced_at_once(
    engine_name, server: FaultServer, tmp_path: Path
):
    with engine_of(engine_name, jobs=1) as engine:
        assert fetch_one(engine, server.url("/no-reply/always"), tmp_path).kind is Kind.RESET
    assert len(server.requests) == 1
