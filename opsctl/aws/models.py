"""botocore's descriptions of AWS's services, as plain dicts and without their documentation.

In botocore's OrderedDicts S3's take 4 MiB more, and half of what is left is documentation, which nobody reads here."""

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
                content = json.loads(read(path))
                if path.name.startswith("service-"):
                    _forget_documentation(content)
                return content
        return None


def _forget_documentation(content: dict[str, Any]) -> None:
    for described in (*content.get("operations", {}).values(), *content.get("shapes", {}).values()):
        described.pop("documentation", None)
        for member in described.get("members", {}).values():
            member.pop("documentation", None)


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())
