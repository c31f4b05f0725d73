"""What S3 takes for a key and XML does not: control characters, and the last two of Unicode's first plane."""

from __future__ import annotations

import re

NOT_IN_XML = re.compile(r"[\x00-\x1f\ufffe\uffff]")
