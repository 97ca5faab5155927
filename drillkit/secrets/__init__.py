"""Secrets: references to them, resolved at the last moment, and the one redactor that hides
their values wherever something is written down or shown.

Every process of a run has one redactor, `KNOWN`. Whatever resolves a reference teaches it, and
every door asks it: the journal, attachments, the terminal, the pipe between processes.
"""

from __future__ import annotations

from drillkit.secrets.encoding import encodable
from drillkit.secrets.environment import child_environment
from drillkit.secrets.excerpt import excerpt
from drillkit.secrets.naming import is_secret_name, named_literals
from drillkit.secrets.redactor import HIDDEN, KNOWN, Redactor
from drillkit.secrets.references import (
    Login,
    Vault,
    hide,
    is_reference,
    learn,
    login,
    one_line,
    resolve,
    resolve_all,
)

__all__ = [
    "HIDDEN",
    "KNOWN",
    "Login",
    "Redactor",
    "Vault",
    "child_environment",
    "encodable",
    "excerpt",
    "hide",
    "is_reference",
    "is_secret_name",
    "learn",
    "login",
    "named_literals",
    "one_line",
    "resolve",
    "resolve_all",
]
