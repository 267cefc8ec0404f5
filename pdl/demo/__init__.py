"""The embedded server, and the program shown at work with it, on a machine without a network."""

from .counts import Counts
from .knobs import Knobs, changed
from .limit import Limit, measure_limit
from .presets import PRESETS, Preset
from .process import DemoServer
from .show import Demo, open_demo

__all__ = [
    "PRESETS",
    "Counts",
    "Demo",
    "DemoServer",
    "Knobs",
    "Limit",
    "Preset",
    "changed",
    "measure_limit",
    "open_demo",
]
