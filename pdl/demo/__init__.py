"""The embedded server, and the program shown at work with it, on a machine without a network."""

from .plan import Knobs
from .process import DemoServer
from .show import Demo, open_demo

__all__ = ["Demo", "DemoServer", "Knobs", "open_demo"]
