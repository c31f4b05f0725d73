"""Filter policies of SNS: the developer guide's own examples, and what it says of edges."""

import json

import pytest

from opsctl.sandbox.filterpolicy import passes

TENNIS = {"interests": ["rugby", "tennis"]}
NOT_TENNIS = {"interests": [{"anything-but": ["rugby", "tennis"]}]}
OR = {"source": ["cw"], "$or": [{"metric": ["cpu"]}, {"namespace": ["ec2"]}]}
NO_OR = {"$or": [{"numeric": ["=", 123]}, {"prefix": "abc"}]}  # operators' names: an attribute that is called $or


def attributes(values):
    return {name: attribute(value) for name, value in values.items()}


def attribute(value):
    if isinstance(value, list):
        return {"Type": "String.Array", "Value": json.dumps(value)}
    return {"Type": "String" if isinstance(value, str) else "Number", "Value": str(value)}


CASES = [
    (TENNIS, {"interests": "tennis"}, True),
    (TENNIS, {"interests": ["golf", "rugby"]}, True),
    (TENNIS, {"interests": "baseball"}, False),
    (TENNIS, {"interests": "TENNIS"}, False),
    (TENNIS, {}, False),
    (NOT_TENNIS, {"interests": "baseball"}, True),
    (NOT_TENNIS, {"interests": ["rugby", "baseball"]}, True),
    (NOT_TENNIS, {"interests": ["rugby"]}, False),
    (NOT_TENNIS, {"interests": "rugby"}, False),
    (NOT_TENNIS, {}, False),
    ({"run": [{"anything-but": "x"}, {"exists": False}]}, {}, True),
    ({"event": [{"anything-but": {"prefix": "order-"}}]}, {"event": "order_number"}, True),
    ({"event": [{"anything-but": {"prefix": "order-"}}]}, {"event": "order-cancelled"}, False),
    ({"event": [{"anything-but": {"suffix": "ball"}}]}, {"event": "rugby"}, True),
    ({"event": [{"anything-but": {"wildcard": "*ball"}}]}, {"event": ["baseball", "football"]}, False),
    ({"event": [{"prefix": "bas"}]}, {"event": "baseball"}, True),
    ({"event": [{"prefix": "bas"}]}, {"event": ["rugby", "basket"]}, True),
    ({"event": [{"suffix": "ball"}]}, {"event": "baseball"}, True),
    ({"event": [{"suffix": "ball"}]}, {"event": "rugby"}, False),
    ({"event": [{"equals-ignore-case": "Tennis"}]}, {"event": "teNNis"}, True),
    ({"event": [{"wildcard": "a*[c]*e?"}]}, {"event": "abb[c]de?"}, True),
    ({"event": [{"wildcard": "a?c"}]}, {"event": "abc"}, False),
    ({"ip": [{"cidr": "10.0.0.0/24"}]}, {"ip": "10.0.0.255"}, True),
    ({"ip": [{"cidr": "10.0.0.0/24"}]}, {"ip": "10.1.1.0"}, False),
    ({"ip": [{"cidr": "10.0.0.0/24"}]}, {"ip": "nowhere"}, False),
    ({"price": [{"numeric": ["=", 301.5]}]}, {"price": 3.015e2}, True),
    ({"price": [{"numeric": [">", 0, "<=", 150]}]}, {"price": 150}, True),
    ({"price": [{"numeric": [">", 0, "<=", 150]}]}, {"price": 0}, False),
    ({"price": [{"numeric": [">", 0]}]}, {"price": "1"}, False),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": 100.1}, True),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": [100, 50]}, True),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": 100}, False),
    ({"price": [100]}, {"price": 100.000001}, True),  # five digits count
    ({"price": [100]}, {"price": "100"}, False),
    ({"run": [{"exists": True}]}, {"run": "x"}, True),
    ({"run": [{"exists": True}]}, {}, False),
    ({"run": [{"exists": False}]}, {}, True),
    ({"run": [{"exists": False}]}, {"run": "x"}, False),
    ({"flags": [True, None]}, {"flags": [1, True]}, True),
    ({"flags": [1]}, {"flags": [True]}, False),
    ({"flags": [None]}, {"flags": [None]}, True),
    (OR, {"source": "cw", "metric": "cpu"}, True),
    (OR, {"source": "cw", "namespace": "ec2"}, True),
    (OR, {"source": "cw"}, False),
    (OR, {"metric": "cpu"}, False),
    (NO_OR, {"$or": 123}, True),
    (NO_OR, {"$or": "abcdef"}, True),
    (NO_OR, {"a": "b"}, False),
]


@pytest.mark.parametrize(("policy", "values", "wanted"), CASES)
def test_a_policy_means_the_same_for_attributes_and_for_a_body(policy, values, wanted):
    assert passes(policy, "MessageAttributes", attributes(values), "not looked at") is wanted
    assert passes(policy, "MessageBody", None, json.dumps(values)) is wanted


NESTED = {"detail": {"scope": ["Service"], "$or": [{"source": ["cw"]}, {"type": ["Change"]}]}}


@pytest.mark.parametrize(
    ("policy", "body", "wanted"),
    [
        (NESTED, {"detail": {"scope": "Service", "type": "Change"}}, True),
        (NESTED, {"detail": {"scope": "Service"}}, False),
        (NESTED, {"scope": "Service", "source": "cw"}, False),
        ({"records": {"name": [{"prefix": "Put"}]}}, {"records": [{"name": "Get"}, {"name": "PutObject"}]}, True),
        ({"records": {"name": [{"prefix": "Put"}]}}, {"records": [{"name": "Get"}]}, False),
        ({"a": {"b": [{"exists": False}]}}, {"a": {}}, True),
    ],
)
def test_a_policy_on_the_body_goes_deep(policy, body, wanted):
    assert passes(policy, "MessageBody", None, json.dumps(body)) is wanted


@pytest.mark.parametrize("body", ["a run", "[1]", '"FAILED"'])
def test_a_body_that_is_no_object_passes_no_policy_on_the_body(body):
    assert passes({"run": [{"exists": False}]}, "MessageBody", None, body) is False


def test_what_cannot_be_compared_is_not_there_to_be_compared():
    assert not passes({"run": ["x"]}, "MessageAttributes", {"run": {"Type": "Binary", "Value": "eA=="}}, "")
    assert not passes({"run": ["x"]}, "MessageAttributes", {"run": {"Type": "String.Array", "Value": "[x"}}, "")
