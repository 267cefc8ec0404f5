"""A server program in a folder of its own, from its start to its end."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
import trustme

HOST = "127.0.0.1"
_PATIENCE = 10.0  # seconds, for what the server is to log
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where nginx may be, outside of an ordinary user's path


@dataclass(frozen=True, slots=True)
class Logged:
    """One request, as the server's log has it.

    Args:
        protocol: such as `HTTP/2.0`.
        connection: the same for all requests of one connection.
        target: path and query.
        status: that was answered.
        secrets: values of the fields `Authorization`, `Cookie` and `X-Key`, without those that were not there.
    """

    protocol: str
    connection: int
    target: str
    status: int
    secrets: tuple[str, ...]


class RealServer(ABC):
    """Serves files over https, and a redirect from /redirect to /next; `ca_pem` vouches for its certificate.

    Where the program is not installed, the test is skipped.

    Args:
        folder: an empty one for all that the program needs.
        files: contents by name.
    """

    program: str

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        path = shutil.which(self.program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))
        if path is None:
            pytest.skip(f"{self.program} is not installed; on Debian: apt-get install {self.program}")
        self.folder = folder
        self.port = _free_port()
        self.origin = f"https://{HOST}:{self.port}"
        self.www = folder / "www"
        self.www.mkdir(parents=True)
        for name, content in files.items():
            (self.www / name).write_bytes(content)
        self.certificate, self.key, self.ca_pem = self._certify()
        variables = os.environ | {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        with (folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [path, *self.arguments()], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def arguments(self) -> list[str]:
        """Of the command; it is to stay in the foreground and to log requests to standard output."""

    @abstractmethod
    def logged(self, line: str) -> Logged:
        """A line of the log."""

    def _read(self) -> None:
        """Take the log from the program, which would wait once it has written as much as a pipe holds."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def _certify(self) -> tuple[Path, Path, str]:
        authority = trustme.CA()
        issued = authority.issue_cert(HOST, "localhost")
        certificate, key, ca = (self.folder / name for name in ("certificate.pem", "key.pem", "ca.pem"))
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        authority.cert_pem.write_to_path(ca)
        return certificate, key, str(ca)

    def _wait_until_it_answers(self) -> None:
        """Until a handshake works: a program that has come so far listens to UDP as well."""
        context = ssl.create_default_context(cafile=self.ca_pem)
        while True:
            try:
                with socket.create_connection((HOST, self.port)) as plain:
                    context.wrap_socket(plain, server_hostname=HOST).close()
            except ConnectionError:
                try:
                    code = self._process.wait(timeout=0.01)
                except subprocess.TimeoutExpired:
                    continue
                errors = (self.folder / "errors").read_text()
                raise AssertionError(f"{self.program} did not start ({code}): {errors}") from None
            else:
                return

    def url(self, target: str) -> str:
        """The absolute URL of a target."""
        return self.origin + target

    def requests(self, count: int) -> list[Logged]:
        """The next entries of the log, of which there must be as many as that; it is waited for them."""
        return [self.logged(self._lines.get(timeout=_PATIENCE)) for _ in range(count)]

    def close(self) -> None:
        with self._process:
            self._process.terminate()
            self._reader.join()


def _free_port() -> int:
    """A number that is free for TCP and for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((HOST, 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind((HOST, port))
            except OSError:
                continue
            return port
