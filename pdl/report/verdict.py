"""What may be concluded from a comparison, in a sentence or two."""

from __future__ import annotations

from collections.abc import Sequence

from .comparison import Row
from .rounds import Ratio


def verdict(rows: Sequence[Row], winner: str | None) -> str:
    """The conclusion, and who brought too few files to be compared.

    Args:
        rows: the fastest first.
        winner: the label of the one that is surely the fastest.
    """
    ranked = [row for row in rows if row.ratio is not None]
    if not rows:
        return "Nothing was measured."
    if not ranked:
        return "No engine brought files in each of its rounds: there is nothing to compare."
    fewer = [f"{row.label} ({row.done.median:,.0f})" for row in rows if row.ratio is None]
    aside = f" Not compared, as fewer files came: {', '.join(fewer)}." if fewer else ""
    return _of_ranked(ranked, winner) + aside


def _of_ranked(ranked: Sequence[Row], winner: str | None) -> str:
    best, *others = ranked
    if not others:
        return f"{best.label}: {_rate(best)}. Nothing else was measured to compare it with."
    if winner is not None:
        nearest = min(others, key=lambda row: row.ratio.value if row.ratio else 0.0)
        assert nearest.ratio is not None
        return f"{winner} is the fastest: {_times(nearest.ratio)} as fast as {nearest.label}, the next."
    level = [row for row in others if row.ratio is not None and not row.ratio.is_apart]
    names = _listed([best.label, *(row.label for row in level)])
    if best.rounds < 2:
        return f"No winner can be named after one round: {best.label} was the fastest in it, with {_rate(best)}."
    cheapest = min([best, *level], key=lambda row: row.cpu_per_file.median if row.cpu_per_file else 0.0)
    return (
        f"No winner: {names} differ from each other no more than one round does from the next. "
        f"Of these {cheapest.label} takes the least CPU for a file."
    )


def _times(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"


def _rate(row: Row) -> str:
    return f"{row.files_per_second.median:,.1f} files/s"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
