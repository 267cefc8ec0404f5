"""`--block-private`: public addresses only, whatever a name or a redirect says, on every engine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer, ProxyServer
from in_workers import run_at_start

import pdl
from pdl import networks
from pdl.errors import Kind

pytestmark = pytest.mark.fault(26)

WORLD = """
    import ipaddress, socket
    from pdl import networks

    real, names = socket.getaddrinfo, {names!r}

    def getaddrinfo(host, *rest):
        return [found for ip in names.get(host, [host]) for found in real(ip, *rest)]

    socket.getaddrinfo = getaddrinfo
    blocks = networks.NOT_PUBLIC
    networks.NOT_PUBLIC = (ipaddress.IPv4Network("127.0.0.1/32"), *blocks[:3], *blocks[4:])
"""
"""A world in which names lead where a test wants, and of the loopback addresses only 127.0.0.1 is private."""

World = Callable[[Mapping[str, list[str]]], None]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> World:
    def make(names: Mapping[str, list[str]]) -> None:
        run_at_start(monkeypatch, tmp_path_factory.mktemp("world"), WORLD.format(names=dict(names)))
        real = socket.getaddrinfo

        def getaddrinfo(host: str, *rest: Any) -> list[Any]:
            return [found for ip in names.get(host, [host]) for found in real(ip, *rest)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        loopback = ipaddress.IPv4Network("127.0.0.0/8")
        others = [block for block in networks.NOT_PUBLIC if block != loopback]
        assert len(others) == len(networks.NOT_PUBLIC) - 1
        assert networks.NOT_PUBLIC.index(loopback) == 3  # as WORLD has it
        monkeypatch.setattr(networks, "NOT_PUBLIC", (ipaddress.IPv4Network("127.0.0.1/32"), *others))

    return make


@pytest.fixture
def public(start_server: Callable[..., FaultServer]) -> FaultServer:
    """A server at the address that is public in the world of these tests."""
    try:
        return start_server("127.0.0.2")
    except OSError:
        pytest.skip("this machine has no second loopback address")


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "block_private": True, "retries": 3, "retry_delay": 0.02, "proxy": "", **more}


class Private:
    """A listener at the private address that nobody may connect to."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        with self._socket, pytest.raises(BlockingIOError):
            self._socket.accept()  # whoever has connected waits there


@pytest.fixture
def private() -> Iterator[Private]:
    with Private() as listener:
        yield listener


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "127.0.0.1."],
)
def test_a_private_address_is_blocked_however_it_is_written(
    engine_name, private: Private, tmp_path: Path, host: str
):
    result = pdl.download(f"http://{host}:{private.port}/file", tmp_path, **options(engine_name))
    assert (result.kind, result.attempts, result.http_status) == (Kind.BLOCKED, 0, None)
    assert "--block-private" in result.message


def test_without_the_option_it_is_fetched(engine_name, server: FaultServer, tmp_path: Path):
    assert pdl.download(server.url("/file"), tmp_path, **options(engine_name, block_private=False)).status == "done"


def test_a_name_that_leads_to_private_addresses_is_blocked_and_tried_once(
    engine_name, private: Private, world: World, tmp_path: Path
):
    world({"inside.example": ["127.0.0.1"]})
    result = pdl.download(f"http://inside.example:{private.port}/file", tmp_path, **options(engine_name))
    assert (result.kind, result.attempts) == (Kind.BLOCKED, 1)
    assert "127.0.0.1 is no public address" in result.message


def test_of_a_name_only_the_public_addresses_are_connected_to(
    engine_name, public: FaultServer, world: World, tmp_path: Path
):
    world({"both.example": ["127.0.0.1", "127.0.0.2"]})
    with Private(public.port):
        urls = [f"http://both.example:{public.port}/file/{n}" for n in range(4)]
        summary = pdl.download_all(urls, tmp_path, **options(engine_name))
    assert summary.done == 4


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "inside.example"])
def test_a_redirect_to_a_private_address_is_blocked(
    engine_name, public: FaultServer, private: Private, world: World, tmp_path: Path, host: str
):
    world({"outside.example": ["127.0.0.2"], "inside.example": ["127.0.0.1"]})
    target = f"/redirect?to=http://{host}:{private.port}/file"
    result = pdl.download(f"http://outside.example:{public.port}{target}", tmp_path, **options(engine_name))
    assert (result.kind, result.attempts) == (Kind.BLOCKED, 1)
    assert len(public.requests) == 1


def test_a_public_mirror_takes_the_place_of_a_private_one(
    engine_name, public: FaultServer, private: Private, world: World, tmp_path: Path
):
    world({})
    line = f"http://127.0.0.1:{private.port}/file\t{public.url('/file')}\tname=f"
    result = pdl.download(line, tmp_path, **options(engine_name))
    assert (result.status, result.final_url) == ("done", public.url("/file"))


def test_the_proxy_is_the_users_choice_and_addresses_behind_it_are_not(
    engine_name, server: FaultServer, tmp_path: Path
):
    hosts = {"outside.example": ("127.0.0.1", server.port)}
    with ProxyServer(hosts=hosts) as proxy:
        via = options(engine_name, proxy=proxy.url)
        named = f"http://outside.example:{server.port}"
        assert pdl.download(f"{named}/file", tmp_path / "1", **via).status == "done"
        for number, url in enumerate(
            [server.url("/file"), "http://2130706433/", f"{named}/redirect?to={server.url('/file')}"], 2
        ):
            assert pdl.download(url, tmp_path / str(number), **via).kind is Kind.BLOCKED
        assert len(proxy.requests) == len(server.requests) == 2


def test_the_account_balances_where_all_is_blocked(engine_name, private: Private, tmp_path: Path):
    summary = pdl.download_all(
        [f"http://127.0.0.1:{private.port}/{n}" for n in range(2000)], tmp_path, **options(engine_name)
    )
    assert (summary.read, summary.failed_by_kind, summary.left) == (2000, {"blocked": 2000}, 0)
