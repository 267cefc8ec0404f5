"""A run that is stopped in the middle of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pdl
from pdl.model import Progress


def stop_when_bytes_have_come(url: str, dest: Path, **options: Any) -> None:
    """Begin to download a URL that takes its time, and close the run when a part of it is there."""
    stopper = _Stopper()
    with pdl.iter_downloads([url], dest, progress=stopper, **options) as downloads:
        stopper.downloads = downloads
        assert list(downloads) == []


class _Stopper:
    downloads: pdl.Downloads

    def on(self, event: object) -> None:
        if isinstance(event, Progress) and event.size > 0:
            self.downloads.close()

    def close(self) -> None:
        """Nothing is held back."""
