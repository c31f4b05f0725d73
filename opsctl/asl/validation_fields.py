"""Which fields each kind of state may have, in either query language, and which it must have.

One table a language: kind -> field -> check. What is not in the table is refused as AWS refuses it.
"""

from __future__ import annotations

from opsctl.asl.validation_values import (
    Check,
    a_boolean,
    a_path,
    a_path_or_null,
    a_reference,
    a_resource,
    a_result_path,
    a_string,
    a_timestamp,
    an_expression,
    anything,
    assignments,
    integer_from,
    number_from,
    one_of,
    or_jsonata,
)

Fields = dict[str, Check]

_COMMON: Fields = {"Comment": a_string, "QueryLanguage": one_of("JSONPath", "JSONata"), "Type": a_string}
_FLOW: Fields = {"End": a_boolean, "Next": a_string}
_FILTERS: Fields = {"InputPath": a_path_or_null, "OutputPath": a_path_or_null}
_GUARDS: Fields = {"Catch": anything, "Retry": anything}
_RESULT: Fields = {"Parameters": anything, "ResultPath": a_result_path}
_SELECT: Fields = {"ResultSelector": anything}
_ASSIGN: Fields = {"Assign": assignments}
_OUTPUT: Fields = {"Output": anything}
_MAP: Fields = {
    "ItemBatcher": anything,
    "ItemProcessor": anything,
    "ItemReader": anything,
    "ItemSelector": anything,
    "Iterator": anything,
    "Label": a_string,
    "ResultWriter": anything,
}

JSONPATH: dict[str, Fields] = {
    "Choice": {**_COMMON, **_FILTERS, **_ASSIGN, "Choices": anything, "Default": a_string},
    "Fail": {
        **_COMMON,
        "Cause": a_string,
        "CausePath": an_expression,
        "Error": a_string,
        "ErrorPath": an_expression,
    },
    "Map": {
        **_COMMON,
        **_FLOW,
        **_FILTERS,
        **_GUARDS,
        **_RESULT,
        **_SELECT,
        **_ASSIGN,
        **_MAP,
        "ItemsPath": a_path,
        "MaxConcurrency": integer_from(0),
        "MaxConcurrencyPath": a_reference,
        "ToleratedFailureCount": integer_from(0),
        "ToleratedFailureCountPath": a_reference,
        "ToleratedFailurePercentage": number_from(0, 100),
        "ToleratedFailurePercentagePath": a_reference,
    },
    "Parallel": {
        **_COMMON,
        **_FLOW,
        **_FILTERS,
        **_GUARDS,
        **_RESULT,
        **_SELECT,
        **_ASSIGN,
        "Branches": anything,
    },
    "Pass": {**_COMMON, **_FLOW, **_FILTERS, **_RESULT, **_ASSIGN, "Result": anything},
    "Succeed": {**_COMMON, **_FILTERS},
    "Task": {
        **_COMMON,
        **_FLOW,
        **_FILTERS,
        **_GUARDS,
        **_RESULT,
        **_SELECT,
        **_ASSIGN,
        "Credentials": anything,
        "HeartbeatSeconds": integer_from(1),
        "HeartbeatSecondsPath": a_reference,
        "Resource": a_resource,
        "TimeoutSeconds": integer_from(1),
        "TimeoutSecondsPath": a_reference,
    },
    "Wait": {
        **_COMMON,
        **_FLOW,
        **_FILTERS,
        **_ASSIGN,
        "Seconds": integer_from(0),
        "SecondsPath": a_reference,
        "Timestamp": a_timestamp,
        "TimestampPath": a_reference,
    },
}

JSONATA: dict[str, Fields] = {
    "Choice": {**_COMMON, **_ASSIGN, **_OUTPUT, "Choices": anything, "Default": a_string},
    "Fail": {**_COMMON, "Cause": a_string, "Error": a_string},
    "Map": {
        **_COMMON,
        **_FLOW,
        **_GUARDS,
        **_ASSIGN,
        **_OUTPUT,
        **_MAP,
        "Items": anything,
        "MaxConcurrency": or_jsonata(integer_from(0)),
        "ToleratedFailureCount": or_jsonata(integer_from(0)),
        "ToleratedFailurePercentage": or_jsonata(number_from(0, 100)),
    },
    "Parallel": {**_COMMON, **_FLOW, **_GUARDS, **_ASSIGN, **_OUTPUT, "Arguments": anything, "Branches": anything},
    "Pass": {**_COMMON, **_FLOW, **_ASSIGN, **_OUTPUT},
    "Succeed": {**_COMMON, **_OUTPUT},
    "Task": {
        **_COMMON,
        **_FLOW,
        **_GUARDS,
        **_ASSIGN,
        **_OUTPUT,
        "Arguments": anything,
        "Credentials": anything,
        "HeartbeatSeconds": or_jsonata(integer_from(1)),
        "Resource": a_resource,
        "TimeoutSeconds": or_jsonata(integer_from(1)),
    },
    "Wait": {
        **_COMMON,
        **_FLOW,
        **_ASSIGN,
        **_OUTPUT,
        "Seconds": or_jsonata(integer_from(0)),
        "Timestamp": or_jsonata(a_timestamp),
    },
}

TABLES = {"JSONPath": JSONPATH, "JSONata": JSONATA}

REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "Choice": (("Choices",),),
    "Map": (("Next", "End"), ("ItemProcessor", "Iterator")),
    "Parallel": (("Next", "End"), ("Branches",)),
    "Pass": (("Next", "End"),),
    "Task": (("Next", "End"), ("Resource",)),
    "Wait": (("Next", "End"), ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")),
}
"""Of each group, one field must be there."""

EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    ("Next", "End"),
    ("Seconds", "SecondsPath", "Timestamp", "TimestampPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("ItemProcessor", "Iterator"),
    ("ItemSelector", "Parameters"),
    ("Items", "ItemsPath"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("MaxItems", "MaxItemsPath"),
    ("MaxItemsPerBatch", "MaxItemsPerBatchPath"),
    ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
)
"""Of each group, at most one field may be there."""

TEMPLATES = ("Arguments", "Assign", "ItemSelector", "Output", "Parameters", "ResultSelector")
"""The fields that are payload templates (JSONPath) or hold expressions (JSONata)."""
