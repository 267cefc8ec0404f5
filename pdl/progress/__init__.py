"""What people see of a run: one interface, a class for each way to look, and silence among them."""

from .balance import Balance, Count, balance_line, closing_lines
from .bar import BarReporter
from .choice import reporter_for
from .lines import LineReporter
from .outcomes import OutcomeLog, fault
from .reporter import Reported, Reporter, Silent, Tee, hears_results
from .text import amount, printable

__all__ = [
    "Balance",
    "BarReporter",
    "Count",
    "LineReporter",
    "OutcomeLog",
    "Reported",
    "Reporter",
    "Silent",
    "Tee",
    "amount",
    "balance_line",
    "closing_lines",
    "fault",
    "hears_results",
    "printable",
    "reporter_for",
]
