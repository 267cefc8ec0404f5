"""libcurl through pycurl: one event loop that carries thousands of attempts, over HTTP/1.1, HTTP/2 and HTTP/3."""

from __future__ import annotations

from .engine import CurlEngine

__all__ = ["CurlEngine"]
