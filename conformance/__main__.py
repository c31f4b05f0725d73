"""python -m conformance FOLDER: measure, print, judge.

Exits 1 if a measure misses its bar, 2 if the folder or a bar cannot be read. Bars, in percent, from the environment:
MIN_REPLAY (97), MIN_READ (100, read without error), MIN_READER (99.5, every status right), MIN_VERDICTS (97),
MIN_SAMPLES (99).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from conformance.measures import measure
from conformance.report import lines


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a corpus: histories and definitions, each with a .jsonl index")
    folder = parser.parse_args(arguments).folder
    try:
        measures = measure(folder, os.environ)
    except (OSError, ValueError, KeyError) as error:
        print(f"error: cannot measure {folder}: {error}", file=sys.stderr)
        return 2
    if not any(one.total for one in measures):
        print(f"error: nothing to measure in {folder}: both of its indexes are empty", file=sys.stderr)
        return 2
    try:
        for one in measures:
            print("\n".join(lines(one)))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` say, has had enough; Python must not find the pipe again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if all(one.passed for one in measures) else 1


if __name__ == "__main__":
    sys.exit(main())
