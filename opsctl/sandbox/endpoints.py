"""SageMaker models and endpoints: the API on moto's tables, each endpoint served by real processes of this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import moto.sagemakerruntime.urls
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from opsctl.sandbox.api import ApiError, serve
from opsctl.sandbox.endpoint import BUSY, Endpoint, Fleet
from opsctl.sandbox.modelprocess import Answer
from opsctl.sandbox.provider import present
from opsctl.sandbox.storage import Storage
from opsctl.sandbox.trainingrules import check_trust
from opsctl.sandbox.variantserver import VariantServer
from opsctl.sandbox.world import World

MOST_BYTES = 6 * 1024 * 1024
"""Of a request's body (AWS, Amazon SageMaker endpoints and quotas)."""
MODEL = "model"
"""A variant's model itself, beside its name."""


class EndpointActions(SageMakerResponse):
    """The actions on models and endpoints that moto lacks or answers too simply."""

    world: World
    endpoint_changed: Any

    def create_model(self) -> ActionResult:
        """CreateModel, refused where the name is taken, the data is not there, or SageMaker may not take its role."""
        name = self._get_param("ModelName")
        if name in self.sagemaker_backend._models:
            raise ApiError("ValidationException", f'Cannot create already existing model "{self._arn("model", name)}".')
        containers = self._get_param("Containers") or []
        if len(containers) > 1:
            raise ApiError("ValidationException", "The sandbox serves models of one container")
        container: dict[str, Any] = self._get_param("PrimaryContainer") or (containers or [{}])[0]
        uri = container.get("ModelDataUrl")
        if uri and not Storage(self.world.account).holds(uri):
            raise ApiError("ValidationException", f"Could not find model data at {uri}.")
        check_trust(self.world, self._get_param("ExecutionRoleArn"), self._arn("model", name))
        return super().create_model()

    def describe_model(self) -> ActionResult:
        """DescribeModel, without the structures that were not given."""
        model = self.sagemaker_backend.describe_model(self._get_param("ModelName"))
        return ActionResult(present(model.response_object))

    def create_endpoint_config(self) -> ActionResult:
        """CreateEndpointConfig, refused where the name is taken."""
        name = self._get_param("EndpointConfigName")
        if name in self.sagemaker_backend.endpoint_configs:
            arn = self._arn("endpoint-config", name)
            raise ApiError("ValidationException", f'Cannot create already existing endpoint configuration "{arn}".')
        return super().create_endpoint_config()

    def describe_endpoint_config(self) -> ActionResult:
        """DescribeEndpointConfig, without the structures that were not given."""
        return ActionResult(present(self._config()))

    def create_endpoint(self) -> ActionResult:
        """CreateEndpoint: Creating, then InService or Failed."""
        name = self._get_param("EndpointName")
        config = self._config_with_models()
        launch = partial(_fleet, self.world, name)
        tags = self._get_param("Tags") or []
        endpoint = Endpoint(name, self._arn("endpoint", name), tags, launch, type(self).endpoint_changed)
        # One step, so that of two requests with one name exactly one wins.
        if self._endpoints.setdefault(name, endpoint) is not endpoint:
            raise ApiError("ValidationException", f'Cannot create already existing endpoint "{endpoint.arn}".')
        endpoint.deploy(config)
        return ActionResult({"EndpointArn": endpoint.arn})

    def update_endpoint(self) -> ActionResult:
        """UpdateEndpoint: Updating, then InService with the new configuration, or with the one before."""
        endpoint = self._endpoint()
        if endpoint.endpoint_status in BUSY:
            raise ApiError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')
        if endpoint.endpoint_status == "Failed":
            raise ApiError("ValidationException", f'Cannot update failed endpoint "{endpoint.arn}".')
        endpoint.deploy(self._config_with_models())
        return ActionResult({"EndpointArn": endpoint.arn})

    def delete_endpoint(self) -> EmptyResult:
        """DeleteEndpoint."""
        endpoint = self._endpoint()
        endpoint.delete()
        self._endpoints.pop(endpoint.endpoint_name, None)
        return EmptyResult()

    @property
    def _endpoints(self) -> dict[str, Endpoint]:
        """moto's table of endpoints, which holds ours: its lists and tags read it."""
        endpoints: Any = self.sagemaker_backend.endpoints
        found: dict[str, Endpoint] = endpoints
        return found

    def _endpoint(self) -> Endpoint:
        name = self._get_param("EndpointName")
        found = self._endpoints.get(name)
        if found is None:
            raise ApiError("ValidationException", f'Could not find endpoint "{self._arn("endpoint", name)}".')
        return found

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.sagemaker_backend.describe_endpoint_config(self._get_param("EndpointConfigName"))
        return config

    def _config_with_models(self) -> dict[str, Any]:
        """What is to serve, with the models as they are now: whoever deletes one later takes it from no endpoint."""
        config = self._config()
        models = self.sagemaker_backend.describe_model
        variants = [{**one, MODEL: models(one["ModelName"])} for one in config["ProductionVariants"]]
        return {**config, "ProductionVariants": variants}

    def _arn(self, kind: str, name: str) -> str:
        return self.world.arn("sagemaker", f"{kind}/{name}")


class InvokeResponse(SageMakerRuntimeResponse):
    """InvokeEndpoint, answered by the endpoint's own process."""

    world: World

    def invoke_endpoint(self) -> TYPE_RESPONSE:
        """InvokeEndpoint. What the container refuses is a ModelError with the container's status and words in it."""
        name = self.path.split("/")[2]
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        endpoint = _endpoints(self.world).get(name)
        if endpoint is None:
            return _refused(400, "ValidationError", f"Endpoint {name} of account {self.world.account} not found.")
        if len(body) > MOST_BYTES:
            return _refused(413, "ValidationError", f"Request has {len(body)} bytes, the limit is {MOST_BYTES} bytes.")
        kind = self.headers.get("Content-Type") or "application/octet-stream"
        accept = self.headers.get("Accept") or "*/*"
        with endpoint.serving(self.headers.get("X-Amzn-SageMaker-Target-Variant")) as server:
            if server is None:
                return _refused(
                    400, "ValidationError", f"Endpoint {name} of account {self.world.account} is not in service."
                )
            return self._asked(endpoint, server, body, kind, accept)

    def _asked(self, endpoint: Endpoint, server: VariantServer, body: bytes, kind: str, accept: str) -> TYPE_RESPONSE:
        try:
            answer = server.ask(body, kind, accept)
        except (OSError, http.client.HTTPException) as error:
            return _refused(503, "ServiceUnavailable", f"The variant {server.variant} does not answer: {error}")
        if answer.status == 200:
            return 200, {"Content-Type": answer.kind, "x-Amzn-Invoked-Production-Variant": server.variant}, answer.body
        return _model_error(self.world, endpoint, answer)


def install(world: World, changed: Any) -> None:
    """Put the actions in place. `changed` hears each change of an endpoint's document."""
    EndpointActions.world = InvokeResponse.world = world
    EndpointActions.endpoint_changed = staticmethod(changed)
    serve(moto.sagemakerruntime.urls, InvokeResponse)


def resume(world: World) -> None:
    """Let the endpoints that another server had serve again."""
    for endpoint in list(_endpoints(world).values()):
        endpoint.resume(EndpointActions.endpoint_changed)


def _endpoints(world: World) -> Mapping[str, Endpoint]:
    from moto.sagemaker.models import sagemaker_backends

    found: Any = sagemaker_backends[world.account][world.region].endpoints
    endpoints: Mapping[str, Endpoint] = found
    return endpoints


def _fleet(world: World, endpoint: str, config: Mapping[str, Any]) -> Fleet:
    variants: list[dict[str, Any]] = config["ProductionVariants"]
    servers = {
        variant["VariantName"]: VariantServer(world, endpoint, variant["VariantName"], variant[MODEL])
        for variant in variants
    }
    return Fleet(config["EndpointConfigName"], variants, servers)


def _model_error(world: World, endpoint: Endpoint, answer: Answer) -> TYPE_RESPONSE:
    said = answer.body.decode(errors="replace")
    whose = "client" if answer.status < 500 else "server"
    console = f"https://{world.region}.console.aws.amazon.com/cloudwatch/home?region={world.region}"
    group = f"/aws/sagemaker/Endpoints/{endpoint.endpoint_name}"
    message = (
        f'Received {whose} error ({answer.status}) from primary with message "{said}". '
        f"See {console}#logEventViewer:group={group} in account {world.account} for more information."
    )
    more = {"OriginalStatusCode": answer.status, "OriginalMessage": said, "LogStreamArn": ""}
    return _refused(424, "ModelError", message, more)


def _refused(status: int, code: str, message: str, more: Mapping[str, Any] | None = None) -> TYPE_RESPONSE:
    # moto reads the status of an answer that is no 200 from its headers.
    headers = {"x-amzn-errortype": code, "Content-Type": "application/json", "status": status}
    return status, headers, json.dumps({"Message": message, "message": message, **(more or {})})
