"""nginx on a free loopback port, serving made-up files: what the benchmarks measure against."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000;
    open_file_cache max=100000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder}/www;
        location /many/ {{ try_files /000000.bin =404; }}
    }}
}}
"""


class Nginx:
    """Serves `count` files of `size` bytes each, on tmpfs where there is one; the first also as all of `/many/`."""

    def __init__(self, count: int, size: int) -> None:
        program = shutil.which("nginx")
        if program is None:
            raise SystemExit("nginx is not installed; on Debian: apt-get install nginx-light")
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = Path(tempfile.mkdtemp(prefix="pdl-nginx-", dir=base))
        self.www = self.folder / "www"
        self.www.mkdir()
        self.names = [f"{index:06d}.bin" for index in range(count)]
        for name in self.names:
            block = hashlib.sha256(name.encode()).digest()
            (self.www / name).write_bytes((block * (size // len(block) + 1))[:size])
        self.folder.chmod(0o755)  # the worker may run as another user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        configuration = self.folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=self.folder, port=self.port))
        self._process = subprocess.Popen([program, "-c", str(configuration), "-p", str(self.folder)])
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        while self._process.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
        raise SystemExit("nginx did not start")

    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self.port}/{name}" for name in self.names]

    def check(self, dest: Path) -> None:
        """All files are there, whole, and nothing else is."""
        found = {path.name for path in dest.iterdir() if path.name != ".pdl"}
        if found != set(self.names):
            raise SystemExit(f"{dest}: {len(found)} files instead of {len(self.names)}")
        for name in self.names:
            if (dest / name).read_bytes() != (self.www / name).read_bytes():
                raise SystemExit(f"{dest / name} differs from the original")
        parts = dest / ".pdl" / "parts"
        if parts.is_dir() and any(parts.iterdir()):
            raise SystemExit(f"{parts}: parts were left")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder)
