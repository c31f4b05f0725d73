"""The figures that a step's job wrote down: `metrics.json`, in an archive that SageMaker puts below the step's prefix.

`output.tar.gz` holds what the job wrote to its output data and is small; `model.tar.gz` holds it too, beside the model.
Nothing is unpacked to disk, and nothing larger than the limits is read.
"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import Run
from opsctl.errors import OpsError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document

FILE = "metrics.json"
ARCHIVES = ("/output/output.tar.gz", "/output/model.tar.gz")  # in the order in which they are looked for
LARGEST_ARCHIVE = 256 * 2**20
LARGEST_FILE = 16 * 2**20
GZIP = b"\x1f\x8b"  # what every such file begins with
THREADS = 8


class NoMetricsError(OpsError):
    """What holds no `metrics.json`: not every job writes figures."""


def metrics_of(connection: Connection, run: Run, steps: Iterable[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """By slug, what `metrics.json` says of each of these steps; of a step that another run's result stands in for,
    that result's. And, in a line each, of which steps it is there and cannot be read."""
    document = input_document(run.input)
    names = list(dict.fromkeys(steps))
    with ThreadPoolExecutor(THREADS) as pool:
        read = list(pool.map(lambda step: _metrics(connection, _place(connection, run.name, step, document)), names))
    told = dict(zip(names, read, strict=True))
    found = {step: metrics for step, (metrics, _) in told.items() if metrics is not None}
    return found, [f"the figures of {step} cannot be read: {fault}" for step, (_, fault) in told.items() if fault]


def read_metrics(archive: bytes) -> dict[str, Any]:
    """The `metrics.json` of an archive (.tar.gz). Raises OpsError where there is none, or it cannot be read."""
    if not archive.startswith(GZIP):
        raise NoMetricsError(f"the archive holds no {FILE} that can be read: it is no .tar.gz")
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            named = {member.name.removeprefix("./"): member for member in opened}
            if FILE not in named:
                raise NoMetricsError(f"the archive holds no {FILE}")
            file = opened.extractfile(named[FILE])
            value = json.loads(file.read(LARGEST_FILE)) if file else None
    except (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError, OSError, RecursionError) as error:
        raise OpsError(f"the archive holds no {FILE} that can be read: {error}") from error
    if not isinstance(value, dict):
        raise OpsError(f"the archive's {FILE} holds no object")
    return value


def newest_archive(items: Iterable[Stored]) -> Stored | None:
    """Of a step's objects, the archive in which its newest job wrote its figures; None where there is none that may be
    read."""
    known = [item for item in items if item.size <= LARGEST_ARCHIVE]
    for ending in ARCHIVES:
        mine = [item for item in known if f"/{item.key}".endswith(ending)]
        if mine:
            return max(mine, key=lambda item: (item.modified, item.key))
    return None


def _place(connection: Connection, run: str, step: str, document: Any) -> Place:
    uri = value_at(document, ("reuse", step, "uri"))
    return connection.prefix(run, step) if uri is ABSENT else Place.parse(f"{str(uri).rstrip('/')}/")


def _metrics(connection: Connection, prefix: Place) -> tuple[dict[str, Any] | None, str | None]:
    """The figures, or what is wrong with them; neither where there are none. They are beside the point of who asks: a
    model without them is still one."""
    try:
        newest = newest_archive(connection.storage.list(prefix))
        archive = connection.storage.read(Place(prefix.bucket, prefix.key + newest.key)) if newest else None
        return (None if archive is None else read_metrics(archive)), None
    except NoMetricsError:
        return None, None
    except OpsError as error:
        return None, error.message
