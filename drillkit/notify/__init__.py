"""Who is told what happens to a drill: one module per notifier.

A message that does not arrive is a warning, never a verdict, and nothing waits long for it.
"""

from __future__ import annotations

from drillkit.notify.base import Notifier, Receiver, notifier_named, notifier_names
from drillkit.notify.messenger import Messenger, deliver

__all__ = ["Messenger", "Notifier", "Receiver", "deliver", "notifier_named", "notifier_names"]
