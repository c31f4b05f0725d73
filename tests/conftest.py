"""What every test may rely on."""

from __future__ import annotations

import signal

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and every process that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)
