"""How long a drill of every single fault and every pair takes, for each shipped machine: 60 s for all are allowed."""

from __future__ import annotations

import time
from pathlib import Path

from opsctl.operations.drill import drill, target_in

ROOT = Path(__file__).parents[1]
CASES = ROOT / "definitions"
ALLOWED = 60.0  # seconds


def main() -> None:
    """Print a line for each machine, and what all took."""
    begun = time.perf_counter()
    for name in ("training", "deployment", "inference", "bulk"):
        started = time.perf_counter()
        target = target_in(ROOT / f"tests/golden/{name}.asl.json", (), (), CASES / f"{name}.test.yaml")
        report = drill(target, pairs=True, rule=True, progress=lambda _: None)
        took = time.perf_counter() - started
        runs = sum(len(row.ends) for row in report.singles) + report.stops + (report.pairs or 0)
        print(f"{name:<11} {runs:>7,} runs in {took:5.1f} s, {len(report.traces)} refutations")
    print(f"all         {time.perf_counter() - begun:.1f} s of {ALLOWED:.0f} s")


if __name__ == "__main__":
    main()
