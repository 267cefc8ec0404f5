"""nginx, with HTTP/2 or without."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from .program import HOST, Logged, RealServer

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
{user}
events {{ worker_connections 4096; }}
http {{
    log_format told escape=json '["$server_protocol", $connection, "$request_uri", $status,'
        ' "$http_authorization", "$http_cookie", "$http_x_key"]';
    access_log /dev/stdout told;
    keepalive_requests {keepalive_requests};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    server {{
        listen {host}:{port} ssl {http2} backlog=1024;
        root {folder}/www;
        location = /redirect {{ return 302 /next; }}
        {proxied}
    }}
}}
"""


class Nginx(RealServer):
    """An nginx.

    Args:
        folder: an empty one for all that it needs.
        files: contents by name.
        http2: speak HTTP/2 as well.
        upstream: an origin that is asked for all that begins with /behind.
        keepalive_requests: after which it ends a connection.
    """

    program = "nginx"

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, bytes],
        *,
        http2: bool = True,
        upstream: str | None = None,
        keepalive_requests: int = 1000,
    ) -> None:
        self._http2, self._upstream, self._keepalive_requests = http2, upstream, keepalive_requests
        super().__init__(folder, files)

    def arguments(self) -> list[str]:
        text = _CONFIGURATION.format(
            folder=self.folder, certificate=self.certificate, key=self.key, host=HOST, port=self.port,
            http2="http2" if self._http2 else "", keepalive_requests=self._keepalive_requests,
            proxied=f"location /behind/ {{ proxy_pass {self._upstream}/; }}" if self._upstream else "",
            # as root it would give the worker to a user who cannot look into the folder
            user="user root;" if hasattr(os, "getuid") and os.getuid() == 0 else "",
        )  # fmt: skip
        configuration = self.folder / "nginx.conf"
        configuration.write_text(text)
        return ["-c", str(configuration), "-p", str(self.folder), "-e", "stderr"]

    def logged(self, line: str) -> Logged:
        protocol, connection, target, status, *secrets = json.loads(line)
        return Logged(protocol, connection, target, status, tuple(filter(None, secrets)))
