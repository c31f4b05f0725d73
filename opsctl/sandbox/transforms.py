"""SageMaker transform jobs: the API on moto's tables, each job real server processes of this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from opsctl.sandbox.api import ApiError, validation_error
from opsctl.sandbox.trainingrules import check_instances, check_trust
from opsctl.sandbox.transformdata import DEFAULT_MEGABYTES, MOST_MEGABYTES
from opsctl.sandbox.transformjob import TransformJob
from opsctl.sandbox.transformrun import run
from opsctl.sandbox.world import World

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
MOST_VARIABLES = 16


class TransformActions(SageMakerResponse):
    """The actions on transform jobs that moto lacks or answers too simply."""

    world: World
    transform_changed: Callable[[dict[str, Any]], None]

    def create_transform_job(self) -> ActionResult:
        """CreateTransformJob."""
        request: dict[str, Any] = json.loads(self.body)
        name = request["TransformJobName"]
        if not NAME.fullmatch(name):
            pattern = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            raise validation_error(name, "transformJobName", pattern)
        for problem in _problems(request):
            raise ApiError("ValidationException", problem)
        check_instances(request["TransformResources"], "transform")
        model = self.sagemaker_backend._models.get(request["ModelName"])
        if model is None:
            arn = self.world.arn("sagemaker", f"model/{request['ModelName']}")
            raise ApiError("ValidationException", f'Could not find model "{arn}".')
        arn = self.world.arn("sagemaker", f"transform-job/{name}")
        check_trust(self.world, model.execution_role_arn, arn)
        job = TransformJob(arn, request, model, type(self).transform_changed)
        # One step, so that of two requests with one name exactly one wins.
        if transform_jobs(self.world).setdefault(name, job) is not job:
            raise ApiError(
                "ResourceInUse",
                "Transform job names must be unique within an AWS account and region, and a transform job with this "
                f"name already exists ({arn})",
            )
        _begin(self.world, job)
        return ActionResult({"TransformJobArn": arn})

    def describe_transform_job(self) -> ActionResult:
        """DescribeTransformJob."""
        return ActionResult(self._transform_job().response_object)

    def stop_transform_job(self) -> EmptyResult:
        """StopTransformJob."""
        stop_transform_job(self._transform_job())
        return EmptyResult()

    def _transform_job(self) -> TransformJob:
        job = transform_jobs(self.world).get(self._get_param("TransformJobName"))
        if job is None:
            raise ApiError("ValidationException", "Requested resource not found.")
        return job


def transform_jobs(world: World) -> dict[str, TransformJob]:
    """moto's table of transform jobs, which holds ours: its lists and tags read it."""
    jobs: Any = sagemaker_backends[world.account][world.region].transform_jobs
    found: dict[str, TransformJob] = jobs
    return found


def take_up(world: World) -> None:
    """Go on with the jobs that were there when a server before this one ended."""
    for job in list(transform_jobs(world).values()):
        if job.take_up(TransformActions.transform_changed):
            _begin(world, job)


def _begin(world: World, job: TransformJob) -> None:
    name = f"transform-{job.transform_job_name}"
    threading.Thread(target=run, args=(world, job, job.model), name=name, daemon=True).start()


def stop_transform_job(job: TransformJob) -> None:
    """Raises ApiError unless the job goes on."""
    if not job.stop() and job.transform_job_status != "Stopping":
        status = job.transform_job_status
        message = f"The request was rejected because the transform job is in status {status}."
        raise ApiError("ValidationException", message)


def install(world: World, changed: Callable[[dict[str, Any]], None]) -> None:
    """Put the actions in place. `changed` hears each change of a job's document."""
    TransformActions.world = world
    TransformActions.transform_changed = staticmethod(changed)


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    """What CreateTransformJob refuses, and what the sandbox does not do."""
    source = request["TransformInput"]
    megabytes, concurrent = request.get("MaxPayloadInMB"), request.get("MaxConcurrentTransforms") or 1
    most = DEFAULT_MEGABYTES if megabytes is None else megabytes
    if most * concurrent > MOST_MEGABYTES:
        yield (
            f"MaxPayloadInMB ({most}) and MaxConcurrentTransforms * MaxPayloadInMB ({most * concurrent}) must not be "
            f"greater than {MOST_MEGABYTES}"
        )
    if request.get("BatchStrategy") == "SingleRecord" and source.get("SplitType", "None") == "None":
        yield "BatchStrategy SingleRecord needs SplitType to be set to Line, RecordIO or TFRecord"
    if len(request.get("Environment") or {}) > MOST_VARIABLES:
        yield f"Environment must have length less than or equal to {MOST_VARIABLES}"
    if source.get("SplitType", "None") not in ("None", "Line"):
        yield f"The sandbox splits objects by Line only, not by {source['SplitType']}"
    if source["DataSource"]["S3DataSource"].get("S3DataType") != "S3Prefix":
        yield "The sandbox reads input by S3Prefix only, not by ManifestFile"
    if request.get("DataProcessing"):
        yield "The sandbox has no DataProcessing: it neither filters nor joins records"
