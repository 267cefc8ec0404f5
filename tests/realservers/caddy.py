"""Caddy, which speaks HTTP/3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .program import HOST, Logged, RealServer

_SECRET = ("Authorization", "Cookie", "X-Key")


class Caddy(RealServer):
    """A Caddy that asks nobody for certificates and keeps everything in its folder.

    Args:
        folder: an empty one for all that it needs.
        files: contents by name.
        protocols: that it speaks, of `h1`, `h2` and `h3`.
    """

    program = "caddy"

    def __init__(
        self, folder: Path, files: Mapping[str, bytes], *, protocols: Sequence[str] = ("h1", "h2", "h3")
    ) -> None:
        self._protocols = protocols
        super().__init__(folder, files)

    def arguments(self) -> list[str]:
        configuration = self.folder / "caddy.json"
        configuration.write_text(json.dumps(self._configuration()))
        return ["run", "--config", str(configuration)]

    def _configuration(self) -> dict[str, object]:
        access = "http.log.access"
        redirect = {
            "match": [{"path": ["/redirect"]}],
            "handle": [{"handler": "static_response", "status_code": 302, "headers": {"Location": ["/next"]}}],
            "terminal": True,
        }
        files = {"handle": [{"handler": "file_server", "root": str(self.www)}]}
        server = {
            "listen": [f"{HOST}:{self.port}"],
            "protocols": list(self._protocols),
            "automatic_https": {"disable": True},
            "tls_connection_policies": [{}],
            "routes": [redirect, files],
            "logs": {"should_log_credentials": True},
        }
        given = {"certificate": str(self.certificate), "key": str(self.key)}
        return {
            "admin": {"disabled": True, "config": {"persist": False}},
            "storage": {"module": "file_system", "root": str(self.folder / "storage")},
            "logging": {
                "logs": {
                    "default": {"level": "WARN", "exclude": [access]},
                    "access": {"writer": {"output": "stdout"}, "encoder": {"format": "json"}, "include": [access]},
                }
            },
            "apps": {"tls": {"certificates": {"load_files": [given]}}, "http": {"servers": {"files": server}}},
        }

    def logged(self, line: str) -> Logged:
        entry = json.loads(line)
        request = entry["request"]
        secrets = (value for name in _SECRET for value in request["headers"].get(name, ()))
        return Logged(
            request["proto"], int(request["remote_port"]), request["uri"], entry["status"], tuple(secrets)
        )
