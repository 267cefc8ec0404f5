"""Fixtures for every test: a clean environment, the fault servers, and the engines by name."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from faultserver import Authority, FaultServer, ProxyServer, Snapshot, assert_nothing_left

pytest_plugins = ["fault_table"]

_VARIABLES = frozenset(
    {
        "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "CURL_CA_BUNDLE", "FORCE_COLOR", "LINES", "NETRC", "NO_COLOR",
        "REQUESTS_CA_BUNDLE", "REQUEST_METHOD", "SSLKEYLOGFILE", "SSL_CERT_DIR", "SSL_CERT_FILE",
    }
)  # fmt: skip
_BEGINNINGS = ("PDL_", "TQDM_")


def pytest_configure() -> None:
    """Let signals reach the programs that tests start, even in the background or under nohup; start them fast."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None and signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    hypothesis.settings.register_profile("pdl", deadline=None)  # how long an example takes, a busy machine decides
    hypothesis.settings.load_profile("pdl")
    # else hundreds of programs, and the workers of xdist, would each compile all that they import
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `engine_name` every registered engine; those that can't be used here are skipped with their reason."""
    if "engine_name" in metafunc.fixturenames:
        metafunc.parametrize("engine_name", list(_engines()))


def _engines() -> Iterator[object]:
    from pdl import engines  # noqa: PLC0415 - tests without an engine should run while engines are broken

    missing = engines.available()
    for name in engines.names():
        reason = missing[name]
        yield pytest.param(name, marks=[pytest.mark.skip(reason=reason)] if reason else [])


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, CA file, netrc, color or width of the machine reaches a test."""
    for name in os.environ:
        if name in _VARIABLES or name.lower().endswith("_proxy") or name.startswith(_BEGINNINGS):
            monkeypatch.delenv(name)


@pytest.fixture
def start_server() -> Iterator[Callable[..., FaultServer]]:
    """Starts fault servers, which take the arguments of `FaultServer` and end with the test."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(FaultServer(*args, **kwargs))


@pytest.fixture
def server(start_server: Callable[..., FaultServer]) -> FaultServer:
    """An origin with nothing on record."""
    return start_server()


@pytest.fixture
def other_server(start_server: Callable[..., FaultServer]) -> FaultServer:
    """A second origin: another port, and another host where the machine has one."""
    try:
        return start_server("127.0.0.2")
    except OSError:
        return start_server()


@pytest.fixture
def tls_server(start_server: Callable[..., FaultServer], authority: Authority) -> FaultServer:
    """An https origin that `ca_pem` vouches for, as 127.0.0.1 and localhost."""
    return start_server(tls=authority.context())


@pytest.fixture
def proxy_server() -> Iterator[ProxyServer]:
    """A forward proxy that wants no credentials."""
    with ProxyServer() as proxy:
        yield proxy


@pytest.fixture
def refused_url() -> Iterator[str]:
    """A URL whose port nobody listens on, for as long as the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/refused"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def ca_pem(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the file with the CA certificate that vouches for the servers of the tests."""
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(authority.pem)
    return str(path)


class _KeptNursery:
    """A nursery that outlives the engines which use it."""

    def __init__(self, nursery: Any) -> None:
        self.process, self.advice, self.end = nursery.process, nursery.advice, nursery.close
        self.environment = _environment()

    def close(self) -> None:
        """An engine has ended."""


@pytest.fixture(scope="session")
def _kept_nurseries() -> Iterator[dict[tuple[str, ...], _KeptNursery]]:
    kept: dict[tuple[str, ...], _KeptNursery] = {}
    yield kept
    for nursery in kept.values():
        nursery.end()


def _environment() -> dict[str, str]:
    """What children inherit, without what pytest changes all the time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


@pytest.fixture(autouse=True)
def _kept_nursery(
    request: pytest.FixtureRequest,
    _kept_nurseries: dict[tuple[str, ...], _KeptNursery],
    clean_environ: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Have engines with the same workers get these from one nursery: to start it takes longer than most tests.

    For tests that run on every engine. Not in those that look for what is left of processes, nor once a test has
    changed the environment, which nurseries inherit.
    """
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if not parameters.get("engine_name", "").startswith("processes") or "nothing_left" in request.fixturenames:
        return
    from pdl.engines.processes.starting import open_nursery  # noqa: PLC0415 - as above

    def kept(preload: list[str]) -> Any:
        key = tuple(preload)
        if key not in _kept_nurseries:
            _kept_nurseries[key] = _KeptNursery(open_nursery(preload))
        nursery = _kept_nurseries[key]
        return nursery if nursery.environment == _environment() else open_nursery(preload)

    monkeypatch.setattr("pdl.engines.processes.engine.open_nursery", kept)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails the test if it leaves a thread, greenlet, child process, socket or open file behind."""
    before = Snapshot.take()
    yield
    assert_nothing_left(before)
