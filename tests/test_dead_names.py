"""Downloads from names that do not resolve, or whose first address does not answer."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer
from in_workers import run_at_start

import pdl
from pdl.errors import Kind

RESOLVING = """
    import socket

    real = socket.getaddrinfo
    answers = {answers!r}

    def getaddrinfo(host, *args, **kwargs):
        if host not in answers:
            return real(host, *args, **kwargs)
        with open({asked!r}, "a") as file:
            file.write(host + chr(10))
        answer = answers[host]
        if isinstance(answer, int):
            raise socket.gaierror(answer, "no address")
        return [entry for ip in answer for entry in real(ip, *args, **kwargs)]

    socket.getaddrinfo = getaddrinfo
"""
"""What this process and every worker do to resolve names."""


class Names:
    """Makes names resolve to what a test wants; which were asked for stands in a file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._asked = folder / "asked"
        self._asked.touch()

    def resolve(self, answers: dict[str, list[str] | int]) -> None:
        """To these addresses, or to these errors of `getaddrinfo`."""
        code = RESOLVING.format(answers=answers, asked=str(self._asked))
        run_at_start(self._monkeypatch, self._folder / "at-start", code)
        self._monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)  # so that it comes back
        exec(textwrap.dedent(code), {})

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text().split()


@pytest.fixture
def names(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(tmp_path_factory.mktemp("names"), monkeypatch)


def options(engine_name: str, **more: Any) -> dict[str, Any]:
    # a back-off is longer than a failed look-up is remembered, so that a further try asks again
    return {"engine": engine_name, "retries": 2, "retry_delay": 0.6, "connect_timeout": 5.0, "jobs": 1, **more}


@pytest.mark.fault(47)
def test_a_name_that_does_not_exist_is_tried_once_more(engine_name, names: Names, tmp_path: Path):
    names.resolve({"unknown.test": socket.EAI_NONAME})
    result = pdl.download("http://unknown.test/x", tmp_path, **options(engine_name))
    assert (result.kind, result.attempts) == (Kind.DNS, 2)
    assert "unknown.test" in result.message
    assert 1 <= len(names.asked) <= 2


@pytest.mark.fault(47)
def test_a_name_server_that_fails_is_asked_as_often_as_any(engine_name, names: Names, tmp_path: Path):
    names.resolve({"busy.test": socket.EAI_AGAIN})
    result = pdl.download("http://busy.test/x", tmp_path, **options(engine_name))
    assert (result.kind, result.attempts) == (Kind.DNS, 3)
    assert 1 <= len(names.asked) <= 3


@pytest.mark.fault(47)
def test_many_entries_of_one_dead_name_do_not_each_ask_for_it(
    engine_name, server: FaultServer, names: Names, tmp_path: Path
):
    names.resolve({"unknown.test": socket.EAI_NONAME})
    urls = [f"http://unknown.test/{number}" for number in range(100)] + [server.url("/file/alive")]
    summary = pdl.download_all(urls, tmp_path, **options(engine_name, retries=0))
    assert (summary.done, summary.failed_by_kind) == (1, {"dns": 100})
    assert len(names.asked) < 50


@pytest.fixture
def deaf_ipv6() -> Iterator[Callable[[int], None]]:
    """Makes a port of ::1 swallow connections: its queue is full, and nobody takes from it."""
    with ExitStack() as stack:

        def make(port: int) -> None:
            try:
                made = socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0)
            except OSError:
                pytest.skip("this machine has no IPv6 on loopback")
            listener = stack.enter_context(made)
            for _ in range(8):
                filler = stack.enter_context(socket.socket(socket.AF_INET6))
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            probe = stack.enter_context(socket.socket(socket.AF_INET6))
            probe.settimeout(0.2)
            if probe.connect_ex(listener.getsockname()) == 0:
                pytest.skip("a full queue swallows nothing here")

        yield make


@pytest.mark.fault(48)
def test_an_address_of_ipv6_that_swallows_everything_costs_no_attempt(
    engine_name, server: FaultServer, names: Names, deaf_ipv6, tmp_path: Path
):
    deaf_ipv6(server.port)
    names.resolve({"both.test": ["::1", "127.0.0.1"]})
    url = f"http://both.test:{server.port}/file/x"
    result = pdl.download(url, tmp_path, **options(engine_name, retries=0, connect_timeout=3.0))
    assert (result.status, result.attempts) == ("done", 1), result


@pytest.mark.fault(48)
@pytest.mark.parametrize("dead", [["::1"], ["127.0.0.3"], ["::1", "127.0.0.3"]])
def test_addresses_that_refuse_make_way_for_the_next(
    engine_name, server: FaultServer, names: Names, tmp_path: Path, dead: list[str]
):
    names.resolve({"several.test": [*dead, "127.0.0.1"]})
    url = f"http://several.test:{server.port}/file/x"
    result = pdl.download(url, tmp_path, **options(engine_name, retries=0))
    assert (result.status, result.attempts) == ("done", 1), result
