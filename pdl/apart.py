"""How a program of ours is started so that signals of the terminal don't reach it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def apart() -> dict[str, Any]:
    """Arguments for `Popen`: a group of its own, as the Ctrl-C that stops us must leave the program to us."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
