"""A name of which one family of addresses is dead: every engine comes through by the other."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from deaf import Deaf
from faultserver import FaultServer
from in_workers import run_at_start

import pdl

pytestmark = pytest.mark.fault(48)

NAMES = """
    import socket

    real, names = socket.getaddrinfo, {names!r}
    socket.getaddrinfo = lambda host, *rest: [found for ip in names.get(host, [host]) for found in real(ip, *rest)]
"""

Names = Callable[[Mapping[str, list[str]]], None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Names:
    """Has names lead to these addresses, in this order."""

    def make(known: Mapping[str, list[str]]) -> None:
        run_at_start(monkeypatch, tmp_path_factory.mktemp("names"), NAMES.format(names=dict(known)))
        real = socket.getaddrinfo

        def getaddrinfo(host: str, *rest: Any) -> list[Any]:
            return [found for ip in known.get(host, [host]) for found in real(ip, *rest)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return make


def fetched(engine_name: str, server: FaultServer, dest: Path) -> int:
    urls = [f"http://both.test:{server.port}/file/{n}" for n in range(3)]
    return pdl.download_all(urls, dest, engine=engine_name, retries=0, connect_timeout=5.0).done


def test_a_first_family_that_swallows_everything_costs_no_try(
    engine_name, server: FaultServer, names: Names, tmp_path: Path
):
    names({"both.test": ["::1", "127.0.0.1"]})
    with Deaf("::1", server.port):
        assert fetched(engine_name, server, tmp_path) == 3


def test_a_first_family_that_refuses_costs_no_try(engine_name, server: FaultServer, names: Names, tmp_path: Path):
    names({"both.test": ["::1", "127.0.0.1"]})
    assert fetched(engine_name, server, tmp_path) == 3


def test_a_first_family_without_a_route_costs_no_try(
    engine_name, server: FaultServer, names: Names, tmp_path: Path
):
    names({"both.test": ["2001:db8::1", "2001:db8::2", "127.0.0.1"]})
    assert fetched(engine_name, server, tmp_path) == 3
