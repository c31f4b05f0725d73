"""Where moto's answers make the Terraform AWS provider fail or see changes that are none."""

from __future__ import annotations


def install() -> None:
    """Put the corrections in place."""
