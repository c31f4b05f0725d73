"""`python -m opsctl`, and what the `opsctl` program runs."""

import atexit
import contextlib
import gc
import os
import sys

YOUNG = 50_000
"""Objects after which Python looks for rings of them that nobody needs: at its own 700 it would do so hundreds of times
while models and modules are loaded, which are all needed."""

INTERRUPTED = 130
_code: int | None = None


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    global _code
    atexit.register(_leave)  # first, to be called last
    _open_closed_streams()
    gc.set_threshold(YOUNG, 20, 100)
    from opsctl.cli.root import root

    try:
        root()
    except SystemExit as end:
        _code = end.code if isinstance(end.code, int) else None
        if _code == INTERRUPTED:
            _leave()  # whoever interrupts waits for no thread whose request does not come back
        raise


def _open_closed_streams() -> None:
    """Let those of the standard streams that were closed at the start (`>&-`, some service managers) lead nowhere.

    Python has None for them, and the next file or socket would get their number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for the process's life


def _leave() -> None:
    """End at once, after all threads and handlers have: to take every module apart would take a tenth of a command."""
    if _code is None:
        return
    with contextlib.suppress(OSError, ValueError):  # what could not be written is Python's to tell
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code)


if __name__ == "__main__":
    main()
