"""What every test may rely on."""

from __future__ import annotations

import functools
import gc
import os
import signal
import time

import botocore.session
from hypothesis import HealthCheck, settings

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and every process that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tables have times of the time zone of whoever reads them.
os.environ["TZ"] = "UTC"
time.tzset()

# How long examples take to make says what else the machine does. Each test tries the same ones each time: what a change
# is held against is no draw. `--hypothesis-profile=search` looks for others.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("the same each time", settings.get_profile("search"), derandomize=True)
settings.load_profile("the same each time")

# What is imported stays: to look through all of it for garbage again and again takes a fifteenth of the tests' time.
gc.set_threshold(50_000, 20, 100)

# Each session of botocore would read and parse its descriptions of the services anew.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
