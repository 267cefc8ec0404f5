"""The command line program, run as users run it: in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT = 30.0


def run_pdl(
    *args: str | os.PathLike[str],
    input: str | None = None,  # noqa: A002 - as subprocess.run calls it
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float = _TIMEOUT,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m pdl ARGS` to its end, with both outputs captured.

    Args:
        args: of the command line.
        input: what it reads from standard input; without it that is empty.
        env: variables on top of this process's own; None takes one away.
        cwd: where it runs.
        timeout: seconds until it is killed and TimeoutExpired raised.
    """
    return subprocess.run(
        _command(args), input=input or "", env=_environment(env), cwd=cwd, timeout=timeout,
        capture_output=True, encoding="utf-8", errors="surrogateescape", check=False,
    )  # fmt: skip


def start_pdl(
    *args: str | os.PathLike[str],
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Start `python -m pdl ARGS` in a process group of its own, for signals; use it as a context manager."""
    flags = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
    )
    return subprocess.Popen(
        _command(args), env=_environment(env), cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", errors="surrogateescape", **flags,
    )  # fmt: skip


def _command(args: tuple[str | os.PathLike[str], ...]) -> list[str]:
    return [sys.executable, "-m", "pdl", *map(os.fspath, args)]


def _environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    variables = dict(os.environ)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [_home_of_pdl(), variables.get("PYTHONPATH")]))
    for name, value in (changes or {}).items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    return variables


def _home_of_pdl() -> str:
    """The folder to import pdl from, so that the program is the one under test wherever it runs."""
    spec = importlib.util.find_spec("pdl")
    assert spec is not None, "pdl is not importable here"
    assert spec.origin is not None
    return str(Path(spec.origin).parent.parent)
