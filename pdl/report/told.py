"""What every report can be asked for: itself in a form for people, programs or notebooks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FORMS = "pdl.report.forms"
"""Found by its name when a form is asked for: forms know of reports, and reports of no form."""


class Told:
    """A report, which can be told in several forms."""

    def table(self, *, color: bool = False) -> str:
        """Text for a terminal, at most 79 columns wide.

        Args:
            color: with the terminal's escapes for bold and green.
        """
        return str(_forms().table(self, color=color))

    def to_markdown(self) -> str:
        """Text to be pasted into an issue."""
        return str(_forms().markdown(self))

    def to_json(self) -> str:
        """An object for other programs; docs/report.md has its fields."""
        return str(_forms().json(self))

    def to_html(self) -> str:
        """A page with charts, in one file that needs nothing else.

        Raises:
            SettingsError: what makes pages is not installed.
        """
        return str(_forms().page(self))

    def _repr_html_(self) -> str:
        """What notebooks show: tables, and the charts if what makes them is installed."""
        return str(_forms().fragment(self))


def _forms() -> Any:
    return import_module(_FORMS)
