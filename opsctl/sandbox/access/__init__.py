"""IAM in the sandbox, as an option: who asks, what they ask for, and which policies allow or deny it.

`conditions` and `statements` are pure: they read policy documents. `needs` turns a request into what it needs to be
allowed, `principals` finds who asks and their policies in moto's IAM, `authorizer` decides and keeps the record of
which statement allowed what.
"""

from __future__ import annotations

from opsctl.sandbox.access.authorizer import Access, DeniedError, UnknownKeyError
from opsctl.sandbox.access.statements import Need

__all__ = ["Access", "DeniedError", "Need", "UnknownKeyError"]
