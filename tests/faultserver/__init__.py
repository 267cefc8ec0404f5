"""A local HTTP server whose faults are real: raw sockets, one path for each fault.

`routes.py` holds the table of what can be asked for, `listener.py` what a server remembers of it.
"""

from .certificates import Authority
from .content import content, content_of
from .files import LAST_MODIFIED
from .leaks import Snapshot, assert_nothing_left
from .program import run_pdl, start_pdl
from .proxy import ProxyServer
from .records import Record
from .routes import ROUTES
from .server import FaultServer

__all__ = [
    "LAST_MODIFIED",
    "ROUTES",
    "Authority",
    "FaultServer",
    "ProxyServer",
    "Record",
    "Snapshot",
    "assert_nothing_left",
    "content",
    "content_of",
    "run_pdl",
    "start_pdl",
]
