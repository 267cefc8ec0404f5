"""Servers that people run, on free loopback ports: nginx and Caddy, each with a log of what it was asked."""

from .caddy import Caddy
from .nginx import Nginx
from .program import Logged, RealServer

__all__ = ["Caddy", "Logged", "Nginx", "RealServer"]
