"""`--netrc`: credentials of hosts that the list gives none for, sent to those and to nobody else."""

from __future__ import annotations

import base64
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer, run_pdl
from hypothesis import given
from hypothesis import strategies as st

import pdl
from pdl.errors import SettingsError
from pdl.logins import Logins, logins
from pdl.settings import Settings

pytestmark = pytest.mark.fault(27)

SECRET = "hunter2"
LOCAL = f"machine 127.0.0.1 login me password {SECRET}\n"


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "netrc"


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        Logins(str(path))
    assert SECRET not in str(raised.value)
    return str(raised.value)


# what the file says


def test_a_host_has_its_own_credentials_or_the_default_ones(file: Path):
    file.write_text("machine a.example login u password p\nmachine b.example login v password q\n")
    found = Logins(str(file))
    assert [found.of(host) for host in ("a.example", "b.example", "c.example")] == ["u:p", "v:q", None]
    file.write_text(file.read_text() + "default login w password r\n")
    assert [Logins(str(file)).of(host) for host in ("a.example", "c.example")] == ["u:p", "w:r"]


@pytest.mark.parametrize(
    ("machine", "host"),
    [
        ("A.Example", "a.example"), ("b\xfccher.example", "xn--bcher-kva.example"), ("a.example.", "a.example"),
        ("a.example", "a.example."), ("::1", "::1"), ("10.0.0.1", "10.0.0.1"),
    ],
)  # fmt: skip
def test_a_machine_is_found_however_it_is_written(file: Path, machine: str, host: str):
    if not machine.isascii() and sys.version_info < (3, 11):
        pytest.skip("the netrc module of Python 3.10 reads ASCII only")
    file.write_text(f"machine {machine} login u password p\n", encoding="utf-8")
    assert Logins(str(file)).of(host) == "u:p"


def test_a_machine_that_no_url_can_name_is_nobodys(file: Path):
    file.write_text(f"machine a/b login u password p\n{LOCAL}")
    assert Logins(str(file)).of("127.0.0.1") == f"me:{SECRET}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"machine h login u password p\n{SECRET} x\n", "cannot be understood at or before line"),
        (f"machine h login u passwort {SECRET}\n", "cannot be understood at or before line"),
        (f"machine h login u:v password {SECRET}\n", "what .* says of 'h' has characters that cannot be sent"),
        (f"machine h login u password {SECRET}\x01\n", "cannot be understood|characters that cannot be sent"),
    ],
)
def test_what_cannot_be_understood_is_told_without_its_words(file: Path, text: str, message: str):
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Logins(str(file))
    assert repr(str(file)) in refused(file)


def test_what_cannot_be_read_is_told(file: Path):
    assert "cannot be read: No such file" in refused(file)
    file.mkdir()
    assert "cannot be read" in refused(file)


@given(
    content=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: f"machine h {text}".encode("utf-8", "replace"))
)
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    with suppress(SettingsError):
        assert Logins(str(path)).of("h") != ""


# which file


def test_the_option_names_the_file_or_asks_for_the_usual_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert logins(Settings().netrc) is None
    file.write_text(LOCAL)
    assert logins(Settings(netrc=file).netrc).of("127.0.0.1") == f"me:{SECRET}"
    monkeypatch.setenv("NETRC", str(file))
    assert logins(Settings(netrc=True).netrc).of("127.0.0.1") == f"me:{SECRET}"
    monkeypatch.delenv("NETRC")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(SettingsError, match="cannot be read"):
        logins(Settings(netrc=True).netrc)
    file.rename(tmp_path / ".netrc")
    assert logins(Settings(netrc=True).netrc).of("127.0.0.1") == f"me:{SECRET}"


@pytest.mark.parametrize("value", [None, 1, 0, 2.5, []])
def test_the_option_takes_a_switch_or_a_path(value: object):
    with pytest.raises(SettingsError, match="netrc takes a path, not"):
        Settings(netrc=value)


# on the wire


def options(engine_name: str, file: Path, **more: Any) -> dict[str, Any]:
    return {"engine": engine_name, "netrc": str(file), "retries": 2, "retry_delay": 0.02, **more}


def sent(server: FaultServer) -> list[str | None]:
    return [record.header("Authorization") for record in server.requests]


def test_entries_and_mirrors_get_the_credentials_of_their_host(
    engine_name, server: FaultServer, other_server: FaultServer, file: Path, tmp_path: Path
):
    other = other_server.origin.partition("//")[2].partition(":")[0]
    file.write_text(LOCAL + (f"machine {other} login you password q\n" if other != "127.0.0.1" else ""))
    line = f"{server.url('/status/404')}\t{other_server.url('/file')}\tname=f"
    assert pdl.download(line, tmp_path / "d", **options(engine_name, file)).status == "done"
    assert sent(server) == [basic(f"me:{SECRET}")]
    assert sent(other_server) == [basic("you:q" if other != "127.0.0.1" else f"me:{SECRET}")]


def test_without_the_option_the_file_is_not_read(
    engine_name, server: FaultServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file.write_text(LOCAL)
    monkeypatch.setenv("NETRC", str(file))
    assert pdl.download(server.url("/file"), tmp_path / "d", engine=engine_name).status == "done"
    assert sent(server) == [None]


def test_what_the_list_or_a_header_says_goes_before(engine_name, server: FaultServer, file: Path, tmp_path: Path):
    file.write_text(LOCAL)
    url = server.url("/file/1").replace("//", "//u:p@")
    assert pdl.download(url, tmp_path / "1", **options(engine_name, file)).status == "done"
    headers = {"Authorization": "Bearer t"}
    more = options(engine_name, file, headers=headers)
    assert pdl.download(server.url("/file/2"), tmp_path / "2", **more).status == "done"
    assert sent(server) == [basic("u:p"), "Bearer t"]


def test_a_redirect_keeps_them_on_the_origin_and_loses_them_for_good_elsewhere(
    engine_name, server: FaultServer, start_server, file: Path, tmp_path: Path
):
    """Of the same host another port is another origin, though the file has credentials for it."""
    file.write_text(LOCAL)
    elsewhere: FaultServer = start_server()
    there = elsewhere.url(f"/redirect?to={server.url('/file/back')}")
    result = pdl.download(server.url(f"/redirect?to={there}"), tmp_path / "1", **options(engine_name, file))
    assert (result.status, result.final_url) == ("done", server.url("/file/back"))
    assert sent(server)[0] == basic(f"me:{SECRET}")
    assert sent(elsewhere) + sent(server)[1:] == [None, None]
    server.clear()
    assert (
        pdl.download(server.url("/redirect?to=/file"), tmp_path / "2", **options(engine_name, file)).status
        == "done"
    )
    assert sent(server) == [basic(f"me:{SECRET}")] * 2


def test_no_secret_is_told_or_kept(engine_name, server: FaultServer, file: Path, tmp_path: Path):
    file.write_text(LOCAL)
    (tmp_path / "list").write_text(f"{server.url('/status/403')}\n{server.url('/file')}\n")
    done = run_pdl(
        tmp_path / "list", "-d", tmp_path / "d", "-e", engine_name, "--netrc", "-vv", "--json",
        "--failed", tmp_path / "failed", env={"NETRC": str(file)},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert sent(server) == [basic(f"me:{SECRET}")] * 2
    written = [path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()]
    everything = b"".join([*written, (tmp_path / "failed").read_bytes(), (done.stdout + done.stderr).encode()])
    assert SECRET.encode() not in everything
    assert base64.b64encode(f"me:{SECRET}".encode()) not in everything


def test_the_command_says_in_one_line_what_is_wrong_with_the_file(file: Path, tmp_path: Path):
    file.write_text(f"machine h {SECRET}\n")
    done = run_pdl("http://127.0.0.1:9/", "-d", tmp_path / "d", "--netrc", env={"NETRC": str(file)})
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "cannot be understood at or before line" in done.stderr
    assert SECRET not in done.stderr
    assert not os.path.exists(tmp_path / "d")
