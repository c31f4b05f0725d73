"""How a new run takes over results: copied into its own prefix, or read in the prefix of the run that has them."""

from __future__ import annotations

COPY = "copy"
IN_PLACE = "reuse"
DATA_MODES = (COPY, IN_PLACE)
