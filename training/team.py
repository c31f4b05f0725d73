"""Data-parallel training: the hosts of a job as a team, by torch.distributed (gloo between CPUs, NCCL between GPUs).

Every host holds the whole network and learns from its own share of each epoch's rows. All hosts draw the same order of
rows from the same seed and take every n-th, so which host sees what depends on nothing but the seed, the epoch and the
number of hosts. A step averages the gradients of all hosts; `batch_size` stays the pages of a step, of all hosts
together. Whatever has an effect outside (model, metrics, checkpoints, lines that are parsed) is the leader's.

The hosts meet at $MASTER_ADDR:$MASTER_PORT, else at the first host, port 7777; a VPC's security group must let them
reach each other on all ports. None hangs: a stop of one is agreed on by all in the same step; a host that fails leaves
word for the others before it ends, one that is gone without a word closes its connections, and one that no longer
answers is waited for as long as PATIENCE.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist
from contract import JobError, StoppedError
from hosts import Hosts
from torch import nn
from torch.nn.parallel import DistributedDataParallel

PORT = 7777
PATIENCE = timedelta(minutes=15)
"""How long hosts wait for each other: at the start (downloads differ), and in a step (the leader also evaluates)."""
WORD = "failure"
WORD_SECONDS = 5.0


@dataclass(frozen=True)
class Team:
    """This host's view of all. A team of one does nothing of its own."""

    hosts: Hosts

    @property
    def count(self) -> int:
        return len(self.hosts.names)

    @property
    def leads(self) -> bool:
        return self.hosts.leads

    def share(self, rows: np.ndarray, order: np.random.Generator) -> np.ndarray:
        """This host's part of the rows, as many as every other's: some rows are given twice if they do not divide."""
        if self.count == 1:
            return rows
        each = -(-len(rows) // self.count)
        return np.resize(order.permutation(rows), each * self.count)[self.hosts.rank :: self.count]

    def batch_size(self, of_all: int) -> int:
        """This host's part of a step's rows, rounded up."""
        return -(-of_all // self.count)

    def joined(self, network: nn.Module) -> nn.Module:
        """The network as it is trained: its gradients are everybody's. Begins with the leader's weights."""
        return network if self.count == 1 else DistributedDataParallel(network)

    def any(self, here: bool) -> bool:
        """Whether it is so on at least one host. All hosts must ask at the same point."""
        if self.count == 1:
            return here
        flag = torch.tensor(float(here))
        dist.all_reduce(flag)
        return bool(flag)

    def mean(self, value: float) -> float:
        """The mean of all hosts' values."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total) / self.count

    def from_leader(self, value: Any) -> Any:
        """What the leader has, for everybody."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def require_same(self, identity: Any) -> None:
        """Raises JobError unless this host was given what the leader was."""
        if identity != self.from_leader(identity):
            raise JobError(
                f"{self.hosts.current} was given other data or hyperparameters than {self.hosts.names[0]}: every host "
                "needs all of the data (S3DataDistributionType FullyReplicated)"
            )


@contextlib.contextmanager
def together(hosts: Hosts) -> Iterator[Team]:
    """The team, met. Raises JobError if the hosts cannot meet, or if another one of them fails or is lost."""
    if len(hosts.names) == 1:
        yield Team(hosts)
        return
    store = _meet(hosts)
    try:
        yield Team(hosts)
    except StoppedError:
        raise
    except Exception as error:
        if not _is_of_another(error):
            with contextlib.suppress(RuntimeError):  # the leader, who keeps the word, may be gone
                store.set(WORD, f"{hosts.current}: {error}")
            raise
        raise JobError(_what_happened(store, error)) from error
    dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """Ends the process with that exit code; one whose team is broken, or stopped, at once. Python's own way out would
    now and then abort it, for gloo's threads still hold what is Python's (pytorch/pytorch#179291)."""
    if dist.is_available() and dist.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _meet(hosts: Hosts) -> dist.Store:
    address = os.environ.get("MASTER_ADDR") or hosts.names[0]
    port = os.environ.get("MASTER_PORT") or str(PORT)
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if hosts.interface else ():
        os.environ.setdefault(variable, hosts.interface or "")
    try:
        store = dist.TCPStore(address, int(port), len(hosts.names), hosts.leads, PATIENCE)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=dist.PrefixStore("group", store), rank=hosts.rank, world_size=len(hosts.names), timeout=PATIENCE,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        names = ", ".join(hosts.names)
        raise JobError(f"the hosts {names} did not meet at {address}:{port}: {_first_line(error)}") from error
    return store


def _is_of_another(error: Exception) -> bool:
    """Whether it is a connection's error, not one of this host's own work."""
    text = str(error)
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and ("gloo" in text or "NCCL" in text))


def _what_happened(store: dist.Store, error: Exception) -> str:
    with contextlib.suppress(RuntimeError):
        store.wait([WORD], timedelta(seconds=WORD_SECONDS))
        return f"another host failed: {store.get(WORD).decode(errors='replace')}"
    return f"lost another host, whose own log says why: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
