"""nginx on a free loopback port, serving made-up files: what the benchmarks measure against."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import originals
import psutil
from authority import Authority

_CONFIGURATION = """
{modules}
daemon off;
worker_processes auto;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 10000000;
    open_file_cache {cache};
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port} backlog=4096{listen};
        allow 127.0.0.0/8;
        deny all;
        root {folder}/www;
        {options}
        location /many/ {{ try_files /000000.bin =404; }}
    }}
}}
"""
# A file of 10 KB takes nginx some 15 us of the processor, so one worker would do for all that two cores can ask
# for. But a client with many threads was held up by a single one, hence one for each core, as Debian ships it.

_CONNECTIONS = 4096
_MANY_CONNECTIONS = 16384  # clients that keep one to each of thousands of hosts
_SPARE = 64  # descriptors beside those of files and connections


@dataclass(frozen=True)
class Serving:
    """How files are served.

    Args:
        delay: seconds before each response; needs the lua module.
        rate: bytes a second over one connection; 0 for no limit.
        tls: over TLS.
        http2: with `tls`, over HTTP/2 for whoever speaks it.
        everywhere: on all addresses of 127.0.0.0/8, instead of 127.0.0.1.
    """

    delay: float = 0.0
    rate: int = 0
    tls: bool = False
    http2: bool = False
    everywhere: bool = False


PLAIN = Serving()


class Nginx:
    """Serves `count` files of `size` bytes each, on tmpfs where there is one; the first also as all of `/many/`.

    Raises:
        SystemExit: if nginx, or what it needs to serve like this, is not installed.
    """

    def __init__(self, count: int, size: int, serving: Serving = PLAIN) -> None:
        self.program = find_program()
        modules = lua_modules(self.program) if serving.delay else []
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = Path(tempfile.mkdtemp(prefix="pdl-peers-", dir=base))
        try:
            self.trusted: Path | None = None
            self._begin(count, size, serving, modules)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def _begin(self, count: int, size: int, serving: Serving, modules: list[str]) -> None:
        self.size = size
        self.www = self.folder / "www"
        self.www.mkdir()
        self.names = [f"{index:06d}.bin" for index in range(count)]
        for name in self.names:
            originals.write(self.www / name, size)
        self.folder.chmod(0o755)  # the workers may run as another user
        self.port = free_port()
        self.origin = f"{'https' if serving.tls else 'http'}://127.0.0.1:{self.port}"
        options, listen = [], ""
        if serving.delay:
            options.append(f"rewrite_by_lua_block {{ ngx.sleep({serving.delay}) }}")
        if serving.rate:
            options.append(f"limit_rate {serving.rate};")
        if serving.tls:
            authority = Authority(self.folder)
            self.trusted = authority.trusted
            options += [f"ssl_certificate {authority.certificate};", f"ssl_certificate_key {authority.key};"]
            listen = " ssl http2" if serving.http2 else " ssl"
        connections = _MANY_CONNECTIONS if serving.everywhere else _CONNECTIONS
        wanted = count + connections + _SPARE
        descriptors = _descriptors(wanted)
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                modules="\n".join(f"load_module {path};" for path in modules),
                folder=self.folder,
                descriptors=descriptors,
                connections=min(connections, descriptors),
                # with fewer places than files, each request would find its file just gone
                cache=f"max={count} inactive=1h" if descriptors == wanted else "off",
                address="0.0.0.0" if serving.everywhere else "127.0.0.1",
                port=self.port,
                listen=listen,
                options="\n        ".join(options),
            )
        )
        self._process = subprocess.Popen([self.program, "-c", str(configuration), "-p", str(self.folder)])
        self._wait_until_it_listens()
        self._workers = psutil.Process(self._process.pid).children()

    def _wait_until_it_listens(self) -> None:
        pid = self.folder / "nginx.pid"
        while self._process.poll() is None:
            # written once the port is its own; before that another program may listen there
            if pid.exists():
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
        raise SystemExit("nginx did not start")

    def urls(self) -> list[str]:
        return [f"{self.origin}/{name}" for name in self.names]

    def cpu(self) -> float:
        """Seconds of the processor that it has taken so far."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self._workers)

    def check(self, dest: Path, names: Sequence[str] = ()) -> None:
        """All files, or those of these names, are there, whole, and nothing else is.

        Raises:
            SystemExit: if not.
        """
        names = names or self.names
        found = {path.name for path in dest.iterdir() if path.name != ".pdl"}
        if found != set(names):
            raise SystemExit(f"{dest}: {len(found)} files instead of {len(names)}")
        for name in names:
            if not originals.is_whole(dest / name, name, self.size):
                raise SystemExit(f"{dest / name} differs from the original")
        parts = dest / ".pdl" / "parts"
        if parts.is_dir() and any(parts.iterdir()):
            raise SystemExit(f"{parts}: parts were left")

    def stop(self) -> None:
        """End it; the files stay."""
        self._process.terminate()
        self._process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


def find_program() -> str:
    """Where nginx is.

    Raises:
        SystemExit: if it is nowhere.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    program = shutil.which("nginx", path=path)
    if program is None:
        raise SystemExit("nginx is not installed; on Debian: apt-get install nginx-light")
    return program


def lua_modules(program: str) -> list[str]:
    """The files that teach nginx to wait.

    Raises:
        SystemExit: if they are not there.
    """
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"--modules-path=(\S+)", told)
    folders = [found[1]] if found else []
    for folder in (*folders, "/usr/share/nginx/modules", "/usr/lib64/nginx/modules"):
        paths = [os.path.join(folder, name) for name in ("ndk_http_module.so", "ngx_http_lua_module.so")]
        if all(map(os.path.exists, paths)):
            return paths
    raise SystemExit("nginx has no lua module; on Debian: apt-get install libnginx-mod-http-lua")


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _descriptors(wanted: int) -> int:
    """How many descriptors nginx may have: as many as are wanted, or the most that the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        with suppress(OSError, ValueError):  # root may, unless it is shut in
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, wanted))
            hard = wanted
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
