"""A parallel file downloader: a list of URLs in, complete and checked files out.

import pdl

summary = pdl.download_all("urls.txt", "images", engine="gevent", jobs=20)
print(summary.done, summary.failed)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .api import Downloads, download, download_all, iter_downloads
    from .comparing import compare
    from .errors import (
        DestinationError,
        EngineError,
        EngineNotInstalledError,
        FailuresError,
        Kind,
        PdlError,
        SettingsError,
        SourceError,
        UnknownEngineError,
    )
    from .model import Digest, Download, Engine, Result
    from .report.comparison import Comparison
    from .settings import Settings
    from .storage.reading import Ledger, LedgerCounts, LedgerEntry
    from .summary import Summary

__all__ = [
    "Comparison",
    "DestinationError",
    "Digest",
    "Download",
    "Downloads",
    "Engine",
    "EngineError",
    "EngineNotInstalledError",
    "FailuresError",
    "Kind",
    "Ledger",
    "LedgerCounts",
    "LedgerEntry",
    "PdlError",
    "Result",
    "Settings",
    "SettingsError",
    "SourceError",
    "Summary",
    "Timings",
    "UnknownEngineError",
    "__version__",
    "compare",
    "download",
    "download_all",
    "iter_downloads",
]

_HOMES = {
    "api": ("Downloads", "download", "download_all", "iter_downloads"),
    "comparing": ("compare",),
    "errors": (
        "DestinationError", "EngineError", "EngineNotInstalledError", "FailuresError", "Kind", "PdlError",
        "SettingsError", "SourceError", "UnknownEngineError",
    ),
    "model": ("Digest", "Download", "Engine", "Result", "Timings"),
    "report.comparison": ("Comparison",),
    "settings": ("Settings",),
    "storage.reading": ("Ledger", "LedgerCounts", "LedgerEntry"),
    "summary": ("Summary",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `import pdl` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'pdl' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
