"""What a report must say of its circumstances, to be understood a year later."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

from pdl._version import __version__
from pdl.settings import Settings

_LIBRARIES = ("requests", "urllib3", "gevent", "pycurl")
_SECRET = frozenset({"headers", "proxy", "netrc"})


@dataclass(frozen=True, slots=True)
class About:
    """When, where and with what something was measured.

    Args:
        when: local time with its offset, ISO 8601.
        pdl: its version.
        python: implementation and version.
        system: name and version of the operating system.
        processor: its architecture, or name where the system tells it.
        cpus: that the process may use.
        memory: bytes of the machine.
        libraries: versions of those that carry downloads, by name.
        settings: those that are not the default, as text; of secret ones only that they are set.
    """

    when: str
    pdl: str
    python: str
    system: str
    processor: str
    cpus: int
    memory: int
    libraries: dict[str, str]
    settings: dict[str, str]


def about(settings: Settings | None) -> About:
    """Here and now.

    Args:
        settings: of the job; None if they are not known.
    """
    return About(
        when=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        pdl=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cpus=_cpus(),
        memory=_memory(),
        libraries=_libraries(),
        settings=_shown(settings) if settings is not None else {},
    )


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, and who knows
        pass
    import psutil  # noqa: PLC0415 - what only records a run has no need of it

    return int(psutil.virtual_memory().total)


def _processor() -> str:
    """The name of the processor's model where Linux tells it, else its architecture."""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
                for line in file:
                    if line.startswith("model name"):
                        return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def _libraries() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 15 ms

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if "pycurl" in found:
        try:
            import pycurl  # noqa: PLC0415 - it may be missing, and costs time

            found["libcurl"] = pycurl.version_info()[1]
        except ImportError:
            pass
    return found


def _shown(settings: Settings) -> dict[str, str]:
    shown = {}
    for each in fields(Settings):
        value: Any = getattr(settings, each.name)
        if each.name == "dest" or value == each.default:
            continue
        if each.name in _SECRET:
            value = "set"
        elif each.name == "engine" and not isinstance(value, str):
            value = type(value).__name__
        shown[each.name] = str(value)
    return shown
