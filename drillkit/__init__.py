"""drillkit rehearses disasters and proves what came of them."""

__version__ = "0.2.0"
