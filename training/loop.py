"""The training loop that the three models share: epochs, cyclical learning rate, checkpoints, SIGTERM, divergence.

A loop trains one or more members side by side: the same network on different rows (cross-fitting), one epoch of each in
turn, so that one checkpoint per epoch holds the whole state. Randomness is a function of (seed, epoch, member): a job
that is stopped and run again repeats the epoch that was cut short, and ends with the weights it would have had.

Where several hosts train one job, each loop is one host's (team.py).

A checkpoint is written after each epoch, never of a state that is not finite. It names the job's identity (its
hyperparameters and inputs): a checkpoint of another job is left alone, and training starts anew.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from contract import Job, JobError, StoppedError
from team import Team
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

CHECKPOINT = "checkpoint.pt"
WEIGHT_DECAY = 0.01
Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Settings:
    """The hyperparameters that steer the loop. The learning rate goes from min_lr to max_lr and back in cycle_length
    epochs."""

    epochs: int
    batch_size: int
    cycle_length: int
    max_lr: float
    min_lr: float
    seed: int
    worker: int = 0

    def learning_rate(self, progress: float) -> float:
        """The rate after `progress` epochs: a triangle wave."""
        position = progress % self.cycle_length / self.cycle_length
        return self.min_lr + (self.max_lr - self.min_lr) * (1 - abs(2 * position - 1))


class Task(Protocol):
    """What is to be learned."""

    def network(self) -> nn.Module:
        """A network with fresh weights, drawn from torch's global generator."""

    def batches(self, rows: np.ndarray, batch_size: int, shuffle: np.random.Generator | None) -> Dataset[Batch]:
        """Batches over these rows; shuffled and augmented if a generator is given, else in order as they are."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean loss of a batch, as float32."""

    def accuracy(self, network: nn.Module, rows: np.ndarray) -> float:
        """The share of pages of these rows whose class the network finds."""


@dataclass(frozen=True)
class Member:
    """One network in training, and the rows that it may see. `trained` is the network with all hosts' gradients."""

    network: nn.Module
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    rows: np.ndarray


class AdamW(torch.optim.AdamW):
    """torch's own, without what keeps torch's compiler away from its methods: that would import the compiler, which
    takes as long as to import torch, and which nothing here uses."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)


class StopRequest:
    """Remembers that SIGTERM arrived, so that the loop ends between two steps."""

    def __init__(self) -> None:
        self.requested = False
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, *_: object) -> None:
        self.requested = True


def choose_device() -> torch.device:
    """CUDA if there is one. On a CPU: as many threads as $OMP_NUM_THREADS says, else half of the CPUs that this process
    may use: clouds count hyper-threads, and a sibling model may be training beside this one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if not os.environ.get("OMP_NUM_THREADS"):
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, usable // 2))
    return torch.device("cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bf16 on a GPU that has it."""
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def load(dataset: Dataset[Batch], device: torch.device, worker: int = 0) -> Iterator[Batch]:
    """The batches of a data set on the device, prepared by `worker` processes (0: this one)."""
    pinned = device.type == "cuda"
    generator = torch.Generator()  # the loader's own, so that it takes nothing from the one that weights come from
    loader = DataLoader(
        dataset,
        batch_size=None,
        num_workers=worker,
        pin_memory=pinned,
        generator=generator,
        worker_init_fn=_leave_stopping_to_the_loop if worker else None,
    )
    for batch in loader:
        yield tuple(part.to(device, non_blocking=pinned) for part in batch)


def _leave_stopping_to_the_loop(_: int) -> None:
    """A worker that dies of a SIGTERM to the whole process group would make the loop fail, not stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Loop:
    """Trains the members of a task. `identity` is everything that the result depends on: hyperparameters and inputs."""

    def __init__(self, job: Job, task: Task, settings: Settings, identity: Mapping[str, Any], team: Team) -> None:
        self.checkpoint = job.checkpoints / CHECKPOINT
        self.task, self.settings, self.team = task, settings, team
        self.identity = dict(identity) | ({"hosts": team.count} if team.count > 1 else {})
        self.device = choose_device()
        self.stop = StopRequest()

    def train(self, member_rows: Sequence[np.ndarray], validation: np.ndarray) -> tuple[list[nn.Module], list[dict]]:
        """Trains one network per entry of member_rows. Returns the networks and (to the leader alone) the first one's
        metrics by epoch.

        Raises JobError if training diverges, StoppedError if SIGTERM arrives."""
        self.team.require_same(self.identity)
        members = [self._member(index, rows) for index, rows in enumerate(member_rows)]
        history = self._resume(members)
        for epoch in range(len(history) + 1, self.settings.epochs + 1):
            losses = [self._epoch(member, index, epoch) for index, member in enumerate(members)]
            if self.team.leads:
                accuracy = self.task.accuracy(members[0].network, validation)
                history.append({"epoch": epoch, "train_loss": losses[0], "validation_accuracy": accuracy})
                self._save(members, history)
                print(f"epoch={epoch} train_loss={losses[0]:.4f} validation_accuracy={accuracy:.4f}", flush=True)
        return [member.network.eval() for member in members], history

    def _member(self, index: int, rows: np.ndarray) -> Member:
        torch.manual_seed(self._seed(0, index))
        # The layout that a GPU's tensor cores take convolutions in; it changes no network but those.
        layout = torch.channels_last if self.device.type == "cuda" else torch.preserve_format
        network = self.task.network().to(self.device, memory_format=layout)
        optimizer = AdamW(network.parameters(), lr=self.settings.min_lr, weight_decay=WEIGHT_DECAY)
        return Member(network, self.team.joined(network), optimizer, rows)

    def _seed(self, *of: int) -> int:
        return int(np.random.SeedSequence([self.settings.seed, *of]).generate_state(1)[0])

    def _epoch(self, member: Member, index: int, epoch: int) -> float:
        """One pass over the member's rows. Returns the mean loss. Raises JobError if it is not finite."""
        common = self._seed(epoch, index)
        rows = self.team.share(member.rows, np.random.default_rng(common))
        seed = common if self.team.leads else self._seed(epoch, index, self.team.hosts.rank)
        torch.manual_seed(seed)
        size = self.team.batch_size(self.settings.batch_size)
        dataset: Any = self.task.batches(rows, size, np.random.default_rng(seed))
        member.trained.train()
        total = torch.zeros((), device=self.device)  # read once per epoch: reading a GPU's value waits for it
        for step, batch in enumerate(load(dataset, self.device, self.settings.worker)):
            total += self._step(member, batch, self.settings.learning_rate(epoch - 1 + step / len(dataset)))
            if self.team.any(self.stop.requested):
                raise StoppedError(self._stopped(epoch))
        loss = self.team.mean(total.item()) / len(dataset)
        self._refuse_divergence(member, epoch, loss)
        return loss

    def _step(self, member: Member, batch: Batch, learning_rate: float) -> Tensor:
        for group in member.optimizer.param_groups:
            group["lr"] = learning_rate
        with autocast(self.device):
            loss = self.task.loss(member.trained, batch)
        member.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        member.optimizer.step()
        return loss.detach()

    def _refuse_divergence(self, member: Member, epoch: int, loss: float) -> None:
        weights = [value for value in member.network.state_dict().values() if value.is_floating_point()]
        if not np.isfinite(loss) or not all(bool(torch.isfinite(value).all()) for value in weights):
            cause = f"loss={loss:g} with hyperparameter max_lr={self.settings.max_lr:.15g}"
            raise JobError(f"training diverged in epoch {epoch}: {cause}; run again with a lower max_lr")

    def _stopped(self, epoch: int) -> str:
        return f"stopped by SIGTERM in epoch {epoch} of {self.settings.epochs}; run again to resume with that epoch"

    def _save(self, members: list[Member], history: list[dict]) -> None:
        states = [{"network": each.network.state_dict(), "optimizer": each.optimizer.state_dict()} for each in members]
        write_atomically(self.checkpoint, {"identity": self.identity, "history": history, "members": states})

    def _resume(self, members: list[Member]) -> list[dict]:
        """Loads the checkpoint of this very job, if there is one. Returns the metrics of the epochs behind it."""
        state = self.team.from_leader(self._checkpoint() if self.team.leads else None)
        if state is None:
            return []
        for member, saved in zip(members, state["members"], strict=True):
            member.network.load_state_dict(saved["network"])
            member.optimizer.load_state_dict(saved["optimizer"])
        if self.team.leads:
            print(f"resumed from the checkpoint of epoch {len(state['history'])}", flush=True)
        return state["history"]

    def _checkpoint(self) -> dict[str, Any] | None:
        state = read_checkpoint(self.checkpoint)
        if state is not None and state.get("identity") != self.identity:
            print("checkpoint of another job left alone: other hyperparameters or inputs", flush=True)
            return None
        return state


def write_atomically(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint, on the CPU, or None: a broken one (S3 copies a file while it lies there) is as good as none."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch.load documents no errors: zip, pickle, EOF, Runtime
        print(f"checkpoint {path} cannot be read ({type(error).__name__}); starting anew", flush=True)
        return None
