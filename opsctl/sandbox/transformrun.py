"""A transform job's life: a real server process for each of its instances, asked for every object of its input.

Every object of the input becomes one object of the output, or none: an object that the model refuses fails the job, but
only after all others (AWS, TransformOutput). Why stands in the data log, as on AWS, where the reason of the job only
says whose fault it was.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from opsctl.sandbox import modelprocess
from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.jobroles import writer
from opsctl.sandbox.jobs import room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.modelprocess import SESSION, Answer
from opsctl.sandbox.processes import Process
from opsctl.sandbox.storage import NoSuchBucketError, Storage, split
from opsctl.sandbox.transformdata import Rules, TooLargeError, assembled, output_uri, payloads
from opsctl.sandbox.transformjob import TransformJob
from opsctl.sandbox.world import World

LOG_GROUP = "/aws/sagemaker/TransformJobs"
STARTUP_SECONDS = 480.0
LOOK_SECONDS = 0.1
INVOCATION_SECONDS, RETRIES = 600, 3
"""What a job gets that does not say otherwise (API reference, ModelClientConfig)."""
CLIENT, ALGORITHM = "ClientError", "AlgorithmError"
logger = logging.getLogger(__name__)


class _FailedError(Exception):
    """The whole job has failed; the text is its FailureReason."""


class _RefusedError(Exception):
    """An object has failed: whose fault it was, and the lines for the data log."""

    def __init__(self, fault: str, *lines: str) -> None:
        super().__init__(fault)
        self.fault, self.lines = fault, lines


@dataclass(frozen=True)
class _Instance:
    """What asks one server about objects."""

    job: TransformJob
    storage: Storage
    rules: Rules
    port: int
    data_log: LogStream
    requests: Executor

    def transform(self, name: str) -> str | None:
        """Make the output of one object; whose fault it was, if there is none."""
        bucket, prefix = split(self.job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        try:
            answers = list(self.requests.map(self._ask, payloads(self._read(bucket, name), self.rules)))
        except TooLargeError as error:
            return self._explain(bucket, name, _RefusedError(CLIENT, f"{CLIENT}: 413", "", "Message:", str(error)))
        except _RefusedError as error:
            return None if self.job.stopping.is_set() else self._explain(bucket, name, error)
        uri = output_uri(self.job.request["TransformOutput"]["S3OutputPath"], prefix, name)
        self.storage.upload(assembled(answers, self.rules), uri)
        return None

    def _read(self, bucket: str, name: str) -> bytes:
        content = self.storage.read(bucket, name) or b""
        if self.job.request["TransformInput"].get("CompressionType") != "Gzip":
            return content
        try:
            return gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise _RefusedError(CLIENT, f"{CLIENT}: cannot be decompressed: {error}") from error

    def _ask(self, body: bytes) -> bytes:
        settings = self.job.request.get("ModelClientConfig") or {}
        tries = 1 + settings.get("InvocationsMaxRetries", RETRIES)
        for left in reversed(range(tries)):
            if self.job.stopping.is_set():
                break
            answer = self._answer(body, settings.get("InvocationsTimeoutInSeconds", INVOCATION_SECONDS))
            if answer.status < 400:
                return answer.body
            if answer.status < 500 or not left:
                fault = CLIENT if answer.status < 500 else ALGORITHM
                said = answer.body.decode(errors="replace")
                raise _RefusedError(fault, f"{fault}: {answer.status}", "", "Message:", said)
        raise _RefusedError(ALGORITHM, "stopped")

    def _answer(self, body: bytes, seconds: float) -> Answer:
        given, wanted = self.job.request["TransformInput"].get("ContentType"), self.job.request["TransformOutput"]
        headers = {"Content-Type": given or "", "Accept": wanted.get("Accept") or "*/*"}
        try:
            return modelprocess.ask(self.port, body, headers, seconds)
        except (OSError, http.client.HTTPException) as error:
            return Answer(503, "", f"the server does not answer: {error}".encode())

    def _explain(self, bucket: str, name: str, error: _RefusedError) -> str:
        for line in error.lines:
            self.data_log.write(f"{_stamp()}{bucket}/{name}: {line}")
        return error.fault


def run(world: World, job: TransformJob, model: Any) -> None:
    """In its own thread: the job ends Completed, Failed or Stopped whatever happens."""
    reason: str | None
    try:
        reason = _transform(world, job, model)
    except _FailedError as error:
        reason = str(error)
    except DeniedError as denied:
        reason = f"{CLIENT}: {denied}"
    except NoSuchBucketError as error:
        reason = f"{CLIENT}: The specified bucket does not exist: {error}"
    except Exception as error:
        logger.exception("transform job %s", job.transform_job_name)
        reason = f"InternalServerError: {error}"
    job.end("Failed" if reason else "Completed", reason)


def _transform(world: World, job: TransformJob, model: Any) -> str | None:
    """Why the job failed, if it did."""
    role, volume = model.execution_role_arn, job.request["TransformResources"].get("VolumeKmsKeyId")
    world.access.demand_key(role, SESSION, volume, ["kms:CreateGrant"], "sagemaker", {})
    storage = Storage(world.account, partial(world.access.demand, role, SESSION))
    uri = job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    names = [name for name in storage.names(*split(uri)) if not name.endswith("/")]
    if not names:
        raise _FailedError(f'{CLIENT}: No S3 objects found under S3 URL "{uri}" given in input data source.')
    job.begin()
    with ThreadPoolExecutor(job.instances) as pool:
        shares = [names[number :: job.instances] for number in range(job.instances)]
        faults = list(pool.map(partial(_work, world, job, model, storage), filter(None, shares)))
    fault = next(filter(None, faults), None)
    return f"{fault}: See job logs for more information" if fault else None


def _work(world: World, job: TransformJob, model: Any, storage: Storage, names: Sequence[str]) -> str | None:
    """One instance's share of the objects; whose fault it was that one failed, if one did."""
    rules = Rules.of(job.request)
    with _server(world, job, model) as (process, port, data_log):
        data_log.write(
            f"{_stamp()}MaxConcurrentTransforms={rules.concurrent}, MaxPayloadInMB={rules.most // 2**20}, "
            f"BatchStrategy={'SINGLE_RECORD' if rules.single else 'MULTI_RECORD'}"
        )
        with ThreadPoolExecutor(rules.concurrent) as objects, ThreadPoolExecutor(rules.concurrent) as requests:
            instance = _Instance(job, storage, rules, port, data_log, requests)
            waiting = {objects.submit(instance.transform, name) for name in names}
            done = set(waiting)
            while waiting and not job.stopping.is_set():
                waiting = wait(waiting, LOOK_SECONDS).not_done
            if job.stopping.is_set():
                objects.shutdown(wait=False, cancel_futures=True)
                process.stop(0.0)  # which ends the requests under way
                return None
        return next(filter(None, (one.result() for one in done)), None)


@contextlib.contextmanager
def _server(world: World, job: TransformJob, model: Any) -> Iterator[tuple[Process, int, LogStream]]:
    """A server of the model, its port, and the instance's data log. Raises _FailedError if it does not come up."""
    role = model.execution_role_arn
    may = writer(world, role, SESSION)
    stream = f"{job.transform_job_name}/i-{uuid.uuid4().hex[:17]}-{int(time.time())}"
    log = LogStream(world.account, world.region, LOG_GROUP, stream, may)
    ready, port = threading.Event(), 0

    def hear(line: str) -> None:
        nonlocal port
        heard = modelprocess.port_in(line)
        if heard is None:
            log.write(line)
            return
        port = heard
        ready.set()

    with room(world, "transform", job.transform_job_name, role) as place:
        try:
            directory = modelprocess.unpack(world, model, place.base)
        except (tarfile.TarError, LookupError, OSError) as error:
            if isinstance(error, NoSuchBucketError | DeniedError):
                raise
            raise _FailedError(f"{CLIENT}: The model data cannot be used: {error}") from error
        process = place.start(modelprocess.serving(directory), _variables(job, model), hear)
        try:
            deadline = time.monotonic() + STARTUP_SECONDS
            while not ready.wait(LOOK_SECONDS) and time.monotonic() < deadline and not job.stopping.is_set():
                if process.wait(0) is not None:
                    break
            if job.stopping.is_set():
                process.stop(0.0)
            if not job.stopping.is_set() and not (ready.is_set() and modelprocess.healthy(port)):
                raise _FailedError(f"{ALGORITHM}: The primary container did not pass the ping health check")
            yield process, port, LogStream(world.account, world.region, LOG_GROUP, f"{stream}/data-log", may)
        finally:
            process.stop(world.grace)
            process.wait()


def _variables(job: TransformJob, model: Any) -> dict[str, str]:
    """The container's environment (AWS, "Custom Inference Code with Batch Transform")."""
    asked = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": job.request.get("MaxPayloadInMB"),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": job.request.get("MaxConcurrentTransforms"),
        "SAGEMAKER_BATCH_STRATEGY": {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}.get(
            job.request.get("BatchStrategy", "")
        ),
    }
    return {
        **(modelprocess.container_of(model).get("Environment") or {}),
        **(job.request.get("Environment") or {}),
        **{name: str(value) for name, value in asked.items() if value is not None},
        "SAGEMAKER_BATCH": "true",
    }


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + ":[sagemaker logs]: "
