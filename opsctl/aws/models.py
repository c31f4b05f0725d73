"""botocore's descriptions of AWS's services, as plain dicts: in its OrderedDicts S3's take 4 MiB more."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader


class PlainDicts(JSONFileLoader):  # type: ignore[misc]
    """What botocore's loader reads files with."""

    def load_file(self, file_path: str) -> Any:
        """The content of a file, named without its ending; None where there is none."""
        for ending, read in ((".json", Path.read_bytes), (".json.gz", _unpacked)):
            path = Path(file_path + ending)
            if path.is_file():
                return json.loads(read(path))
        return None


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())
