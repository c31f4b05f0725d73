"""The pairs of a drill, shared among the processors.

The processes end with the one that started them: it ends them when it is interrupted, and each looks now and then
whether it is still there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context

from opsctl.domain.drill.explore import Explorer
from opsctl.domain.drill.model import Fault
from opsctl.domain.drill.report import Tally
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.subject import Subject
from opsctl.errors import OpsError

FEW = 2  # first faults that a process is given at a time
ENDING = (signal.SIGINT, signal.SIGTERM)
EVERY = 1.0  # seconds between two looks for the process that started this one


def walked_pairs(
    subject: Subject, chosen: Sequence[Scenario], processes: int | None = None
) -> Iterator[tuple[float, Tally]]:
    """Every pair, in parts, with the share of all parts that is done."""
    firsts = list(dict.fromkeys(subject.classes.values()))
    parts = [firsts[start : start + FEW] for start in range(0, len(firsts), FEW)]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(processes or usable, len(parts))
    walked = _side_by_side(subject, chosen, parts, workers) if workers > 1 else _alone(subject, chosen, parts)
    for number, tally in enumerate(walked, 1):
        yield number / len(parts), tally


def _alone(subject: Subject, chosen: Sequence[Scenario], parts: Iterable[Sequence[Fault]]) -> Iterator[Tally]:
    _prepare(subject, chosen)
    yield from map(_pairs, parts)


def _side_by_side(
    subject: Subject, chosen: Sequence[Scenario], parts: Sequence[Sequence[Fault]], workers: int
) -> Iterator[Tally]:
    others = set(active_children())
    settings = (subject, chosen, os.getpid())
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=_begin, initargs=settings)
    whole = False
    try:
        with _undisturbed():
            asked = [pool.submit(_pairs, part) for part in parts]
        for done in as_completed(asked):
            yield done.result()
        whole = True
    except BrokenProcessPool as error:
        raise OpsError("a process that walked pairs was killed from outside", "is there memory left?") from error
    finally:
        if not whole:
            for child in set(active_children()) - others:
                child.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """An interruption waits until the processes are there: Python loses one that comes while it starts them, or takes
    it for theirs."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_EXPLORERS: list[Explorer] = []


def _begin(subject: Subject, chosen: Sequence[Scenario], parent: int) -> None:
    """A process of its own takes no Ctrl-C: the one that started it ends it."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _prepare(subject, chosen)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY)
    os._exit(1)


def _prepare(subject: Subject, chosen: Sequence[Scenario]) -> None:
    _EXPLORERS[:] = [Explorer(subject, scenario) for scenario in chosen]


def _pairs(firsts: Iterable[Fault]) -> Tally:
    tally = Tally()
    for first in firsts:
        own = next(one for one in _EXPLORERS[0].subject.faults if one == first)
        seen: set[tuple[Fault, Fault]] = set()
        for explorer in _EXPLORERS:
            for outcome in explorer.pairs_of(own, seen):
                tally.add(outcome)
    return tally
