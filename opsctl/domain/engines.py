"""Which way a manifest of objects goes: from this machine, or by a distributed Map."""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.domain.objects import counted
from opsctl.errors import ConfigurationError

LOCAL = "local"
MAP = "map"
ENGINES = (LOCAL, MAP)
WHO = {LOCAL: "from this machine", MAP: "by the distributed Map of the machine bulk"}
THRESHOLD = 2_000_000  # objects that one machine deletes in ten minutes, at the 3,500 a second that S3 takes


@dataclass(frozen=True)
class Engine:
    """One of ENGINES, and why that one."""

    name: str
    why: str


@dataclass(frozen=True)
class Wish:
    """What was asked for: an engine, or None for whichever fits; above `threshold` objects that is the Map."""

    engine: str | None = None
    threshold: int = THRESHOLD


def choose(objects: int, wish: Wish, *, has_map: bool) -> Engine:
    """Raises ConfigurationError where the Map is insisted on, and the deployment has none."""
    if wish.engine == MAP and not has_map:
        raise ConfigurationError(
            "this deployment has no machine 'bulk' to hand a manifest to",
            "apply this release's module: terraform apply",
        )
    if wish.engine:
        return Engine(wish.engine, "as --engine says")
    if objects <= wish.threshold:
        return Engine(LOCAL, f"{counted(objects)}, not more than {wish.threshold:,}")
    if not has_map:
        return Engine(LOCAL, "this deployment has no machine 'bulk'")
    return Engine(MAP, f"{counted(objects)}, more than {wish.threshold:,}")
