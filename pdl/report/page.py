"""A report as a page with charts: one file that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

from importlib.util import find_spec

from pdl.errors import SettingsError

_LIBRARIES = ("jinja2", "matplotlib")


def require() -> None:
    """See that pages can be made.

    Raises:
        SettingsError: a library is missing; the message names the command that installs it.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise SettingsError(f"a page needs {' and '.join(missing)}: pip install 'pdl[report]'")
