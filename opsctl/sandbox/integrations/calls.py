"""One API call for a state: parameters in, answer or AWS's own error out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError, UnknownServiceError
from botocore.model import OperationModel

from opsctl.sandbox.clients import Clients
from opsctl.sandbox.integrations.casing import UnknownFieldError, compact, iso, milliseconds, to_request, to_result

# Names of the AWS SDK for Java that botocore's, without their dashes, do not match.
JAVA_NAMES = {
    "applicationdiscovery": "discovery",
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "configservice": "config",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "sfn": "stepfunctions",
}


class TaskError(Exception):
    """A state's error name and cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Service:
    """An optimized integration's names: botocore's, its errors' prefix, and its error for what is not modelled."""

    name: str
    prefix: str
    generic: str


OPTIMIZED = {
    "batch": Service("batch", "Batch", "AWSBatchException"),
    "dynamodb": Service("dynamodb", "DynamoDB", "AmazonDynamoDBException"),
    "ecs": Service("ecs", "ECS", "AmazonECSException"),
    "events": Service("events", "EventBridge", "AmazonEventBridgeException"),
    "glue": Service("glue", "Glue", "AWSGlueException"),
    "lambda": Service("lambda", "Lambda", "AWSLambdaException"),
    "sagemaker": Service("sagemaker", "SageMaker", "AmazonSageMakerException"),
    "sns": Service("sns", "SNS", "AmazonSNSException"),
    "sqs": Service("sqs", "SQS", "AmazonSQSException"),
    "states": Service("stepfunctions", "StepFunctions", "AWSStepFunctionsException"),
}


class Calls:
    """Calls of the sandbox's own API on behalf of states."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def optimized(self, service: str, action: str, parameters: Any) -> dict[str, Any]:
        """Call as an optimized integration does. Raises TaskError."""
        names = OPTIMIZED[service]
        client = self._clients.client(names.name)
        operation = _operation(client, action, f"{service}:{action}")
        answer = self._call(client, operation, parameters, names.prefix, names.generic)
        metadata = answer.pop("ResponseMetadata", {})
        result = to_result(answer, operation.output_shape, milliseconds)
        return dict(sorted({**result, **_sdk_metadata(metadata)}.items()))

    def sdk(self, service: str, action: str, parameters: Any) -> dict[str, Any]:
        """Call as `arn:aws:states:::aws-sdk:<service>:<action>` does. Raises TaskError."""
        client = self._java_client(service)
        operation = _operation(client, action, f"aws-sdk:{service}:{action}")
        prefix = java_class(operation.service_model.service_id)
        answer = self._call(client, operation, parameters, prefix, f"{prefix}Exception")
        answer.pop("ResponseMetadata", None)
        result: dict[str, Any] = to_result(answer, operation.output_shape, iso)
        return result

    def shape(self, service: str, action: str) -> Any:
        """The output shape of an operation, for documents that did not come through a call."""
        return _operation(self._clients.client(service), action, action).output_shape

    def _java_client(self, service: str) -> Any:
        wanted = JAVA_NAMES.get(service, service)
        for name in self._clients.services():
            if name == wanted or name.replace("-", "") == wanted:
                return self._clients.client(name)
        raise _unusable(f"The service '{service}' is not known")

    def _call(
        self, client: Any, operation: OperationModel, parameters: Any, prefix: str, generic: str
    ) -> dict[str, Any]:
        try:
            request = to_request(parameters, operation.input_shape) if operation.input_shape else {}
            answer: dict[str, Any] = client._make_api_call(operation.name, request)
        except UnknownFieldError as error:
            raise _unusable(f"The field '{error}' is not supported by Step Functions", parameters) from error
        except ParamValidationError as error:
            raise _unusable(str(error), parameters) from error
        except ClientError as error:
            name = error_name(operation, error, generic)
            raise TaskError(f"{prefix}.{name}", _cause(error, prefix, generic)) from error
        except (BotoCoreError, UnknownServiceError) as error:
            raise TaskError(f"{prefix}.SdkClientException", str(error)) from error
        return answer


def error_name(operation: OperationModel, error: ClientError, generic: str) -> str:
    """What Step Functions calls an API's error: the modelled exception's name, else the service's generic one."""
    code = error.response["Error"]["Code"]
    for shape in operation.service_model.error_shapes:
        if code in (shape.name, shape.metadata.get("error", {}).get("code")):
            return str(shape.name) if shape.name.endswith("Exception") else f"{shape.name}Exception"
    return generic


def java_class(service_id: str) -> str:
    """A service's name in the AWS SDK for Java: words capitalized, acronyms too (`DynamoDB` -> `DynamoDb`)."""
    return "".join(word.capitalize() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", service_id))


def _operation(client: Any, action: str, resource: str) -> OperationModel:
    for name in client.meta.service_model.operation_names:
        if name.lower() == action.lower():
            model: OperationModel = client.meta.service_model.operation_model(name)
            return model
    raise _unusable(f"The resource '{resource}' is not known")


def _unusable(reason: str, parameters: Any = None) -> TaskError:
    text = "" if parameters is None else f" '{compact(parameters)}'"
    return TaskError("States.Runtime", f"The Parameters{text} could not be used to start the Task: [{reason}]")


def _cause(error: ClientError, prefix: str, generic: str) -> str:
    """AWS's wording, which differs between its two generations of integrations."""
    message = error.response["Error"].get("Message", "")
    metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    status, request = metadata.get("HTTPStatusCode", 400), metadata.get("RequestId", "")
    if generic == f"{prefix}Exception":
        return f"{message} (Service: {prefix}, Status Code: {status}, Request ID: {request})"
    code = error.response["Error"]["Code"]
    service = generic.removesuffix("Exception")
    details = f"Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {request}; Proxy: null"
    return f"{message} ({details})"


def _sdk_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name: str(value) for name, value in metadata.get("HTTPHeaders", {}).items()}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": metadata.get("HTTPStatusCode", 200),
        },
        "SdkResponseMetadata": {"RequestId": metadata.get("RequestId", "")},
    }


def document(shape: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    """A Describe document in the casing and times of an optimized integration."""
    result: dict[str, Any] = to_result(value, shape, milliseconds)
    return result
