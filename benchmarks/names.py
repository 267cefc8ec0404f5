"""Names of hosts that exist for one program only: dnsmasq on a loopback address, and a resolv.conf that says so.

Each program asks the resolver that /etc/resolv.conf tells it. So a program runs in a mount namespace of its own,
in which other files are mounted over /etc/resolv.conf and /etc/nsswitch.conf. The machine's own stay as they are.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_ADDRESS = "127.53.0.53"  # its port is the one that resolv.conf cannot change
_DOMAIN = "pdl.test"  # RFC 6761: of nobody
_PATIENCE = 10.0
_ASKING = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


def full_name(host: str) -> str:
    return f"{host}.{_DOMAIN}"


class Names:
    """Answers for some names with their addresses.

    Args:
        folder: for its files.
        addresses: by host, without the domain.

    Raises:
        SystemExit: if that cannot be had here.
    """

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        program = _program()
        hosts = folder / "hosts"
        hosts.write_text("".join(f"{address} {full_name(host)}\n" for host, address in addresses.items()))
        self._resolv = folder / "resolv.conf"
        self._resolv.write_text(f"nameserver {_ADDRESS}\n")
        self._nsswitch = folder / "nsswitch.conf"
        self._nsswitch.write_text("hosts: files dns\n")
        self._process = subprocess.Popen(
            [
                program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll",
                f"--addn-hosts={hosts}", f"--local=/{_DOMAIN}/", "--local-ttl=3600", "--bind-interfaces",
                f"--listen-address={_ADDRESS}", "--port=53", "--pid-file=", "--user=root", "--log-facility=-",
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        host, address = next(iter(addresses.items()))
        try:
            self._wait_for(full_name(host), address)
            self._try(full_name(host), address)
        except BaseException:
            self.close()
            raise

    def _wait_for(self, name: str, address: str) -> None:
        until = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < until:
            if socket.inet_aton(address) in _ask(name):
                return
        raise SystemExit(f"dnsmasq did not start on {_ADDRESS}, port 53")

    def _try(self, name: str, address: str) -> None:
        """See whether a program in a namespace finds a name."""
        code = f"import socket; print(socket.gethostbyname({name!r}))"
        done = subprocess.run(
            self.around([sys.executable, "-c", code]), capture_output=True, text=True, check=False
        )
        if done.stdout.strip() != address:
            raise SystemExit(f"no private resolv.conf: {(done.stderr.strip() or done.stdout).splitlines()[-1]}")

    def around(self, command: list[str]) -> list[str]:
        """A command in whose world the names exist."""
        files = [str(self._resolv), str(self._nsswitch)]
        return ["unshare", "--mount", "--propagation=private", "sh", "-c", _ASKING, "sh", *files, *command]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def _program() -> str:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise SystemExit("names of their own need root on Linux")
    for needed in ("unshare", "mount", "sh"):
        if shutil.which(needed) is None:
            raise SystemExit(f"{needed} is not installed")
    for path in ("/etc/resolv.conf", "/etc/nsswitch.conf"):
        if not os.path.exists(path):
            raise SystemExit(f"there is no {path} to mount another one over")
    program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("dnsmasq is not installed; on Debian: apt-get install dnsmasq-base")
    return program


def _ask(name: str) -> bytes:
    """What is answered to a question for an address (RFC 1035, section 4); empty if nothing is."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.1)
        try:
            asker.connect((_ADDRESS, 53))
            asker.send(question)
            return asker.recv(512)
        except OSError:
            time.sleep(0.02)  # a port at which nobody listens refuses at once
            return b""
