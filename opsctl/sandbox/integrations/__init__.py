"""Task integrations: how a Task state's Resource is carried out by the sandbox's services."""

from __future__ import annotations

from opsctl.sandbox.integrations.router import Router

__all__ = ["Router"]
