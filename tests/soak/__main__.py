"""Random operations against a sandbox for a while, and nothing may be lost: `python -m tests.soak [--minutes N]`.

Starts, stops, redrives, reruns, approvals, cleanups and their undoing, holds, in weather that changes: throttling, lost
connections, slow and stale answers, deliveries that come late, doubled or out of order. With `--restarts` the sandbox
keeps its state on disk, is killed now and again, and goes on; of its memory nothing is then demanded. The seed is
printed; `--seed` draws the same operations again. Exits 1 if an invariant breaks, something is left over, or memory
grows by more than a tenth. As the sandbox keeps in memory what AWS would keep (histories, objects and their versions,
logs, messages), some 45 kB an operation, there is a pause between operations: more of them make it grow more, without
any leak.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from opsctl import sandbox
from tests.soak.accounts import Usage, account, settle
from tests.soak.operations import BrokenError, Operator
from tests.soak.world import PatientCloud, World

WARM_UP = 600.0
"""Seconds after which memory may not grow any more; a third of the time if that is less."""
MOST_GROWTH = 0.10


def main() -> int:
    """Exit code 1 if anything was lost, or is left over."""
    parser = argparse.ArgumentParser(prog="soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--restarts", action="store_true", help="kill the sandbox too, and go on from its state")
    parser.add_argument("--pause", type=float, default=8.0, help="seconds between operations")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "sandbox"
        try:
            server = sandbox.up(place, state=place.with_name("state") if options.restarts else None)
            operator = Operator(World(PatientCloud(server, place)), options.seed, restarts=options.restarts)
            grown = work(operator, 60 * options.minutes, options.pause)
            print(account(operator))
        except BrokenError as broken:
            print(f"broken: {broken}")
            return 1
        finally:
            sandbox.down(place)
    return int(60 * options.minutes > WARM_UP and grown > MOST_GROWTH and not options.restarts)


def work(operator: Operator, seconds: float, pause: float) -> float:
    """Operate for so long; returns by how much the sandbox's memory has grown since it was warm."""
    cloud, began = operator.world.cloud, time.monotonic()
    warm, said = None, 0
    while (passed := time.monotonic() - began) < seconds:
        operator.act()
        time.sleep(pause)
        if warm is None and passed > min(WARM_UP, seconds / 3):
            warm = Usage.of(cloud.server["pid"])
        if passed > 60 * (said + 1):
            said += 1
            print(
                f"{said} min: {sum(operator.ledger.done.values())} operations, {Usage.of(cloud.server['pid'])}",
                flush=True,
            )
    settle(operator)
    first, last = warm or Usage.of(cloud.server["pid"]), Usage.of(cloud.server["pid"])
    print(f"once warm: {first}; at the end: {last}; memory {last.memory / first.memory - 1:+.1%}")
    return last.memory / first.memory - 1


if __name__ == "__main__":
    sys.exit(main())
