"""The API over TLS, for processes that are really killed."""

from __future__ import annotations

from tests.clients.kube.conftest import served

__all__ = ["served"]
