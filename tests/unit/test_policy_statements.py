"""Policy documents against questions, as IAM's user guide evaluates them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.sandbox.access.conditions import holds
from opsctl.sandbox.access.statements import Need, Question, parse

ROLE = "arn:aws:iam::123456789012:role/operator"


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "met"),
    [
        ("StringEquals", ["a", "b"], ["b"], True),
        ("StringEquals", ["a"], ["A"], False),
        ("StringEquals", ["a"], None, False),
        ("StringEqualsIgnoreCase", ["a"], ["A"], True),
        ("StringEqualsIfExists", ["a"], None, True),
        ("StringEqualsIfExists", ["a"], ["b"], False),
        ("StringNotEquals", ["a"], None, True),
        ("StringNotEquals", ["a", "b"], ["b"], False),
        ("StringLike", ["runs/*"], ["runs/x/y"], True),
        ("StringLike", ["run?/"], ["runs/"], True),
        ("StringLike", ["[rR]uns"], ["runs"], False),
        ("StringNotLike", ["runs/*"], ["runs/x"], False),
        ("ArnLike", ["arn:aws:iam::*:role/op*"], [ROLE], True),
        ("ArnNotLike", [ROLE], [ROLE], False),
        ("ArnNotLike", [ROLE], ["arn:aws:iam::123456789012:role/other"], True),
        ("Bool", ["false"], ["true"], False),
        ("Null", ["true"], None, True),
        ("Null", ["false"], None, False),
        ("NumericLessThanEquals", ["10"], ["10"], True),
        ("IpAddress", ["10.0.0.0/8"], ["10.1.2.3"], True),
        ("NotIpAddress", ["10.0.0.0/8"], ["10.1.2.3"], False),
        ("ForAnyValue:StringEquals", ["a"], ["x", "a"], True),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("ForAllValues:StringEquals", ["a"], ["x", "a"], False),
        ("ForAllValues:StringEquals", ["a"], None, True),
    ],
)
def test_a_condition_is_met(operator: str, wanted: list[str], given: list[str] | None, met: bool) -> None:
    assert holds(operator, "aws:Some", wanted, {} if given is None else {"aws:some": given}) is met


def fits(statement: dict[str, Any], action: str, *resources: str, **names: frozenset[str]) -> bool:
    whole = {"Effect": "Allow", **statement}
    (parsed,) = parse(json.dumps({"Statement": whole}))
    return parsed.fits(Question(Need(action, resources), names, {"aws:username": ("kim",)}))


@pytest.mark.parametrize(
    ("statement", "speaks"),
    [
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/runs/*"}, True),
        ({"Action": "S3:getobject", "Resource": "*"}, True),
        ({"Action": ["s3:Get*", "s3:Put*"], "Resource": ["arn:aws:s3:::other", "arn:aws:s3:::b/*"]}, True),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/RUNS/*"}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, False),
        ({"NotAction": "s3:Delete*", "Resource": "*"}, True),
        ({"NotAction": "s3:Get*", "Resource": "*"}, False),
        ({"Action": "*", "NotResource": "arn:aws:s3:::b/runs/*"}, False),
        ({"Action": "*", "Resource": "arn:aws:s3:::b/runs/${aws:username}/*"}, True),
        ({"Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "lee"}}}, False),
        ({"Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}, False),
        (
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}},
            },
            True,
        ),
    ],
)
def test_a_statement_speaks_of_an_object(statement: dict[str, Any], speaks: bool) -> None:
    assert fits(statement, "s3:GetObject", "arn:aws:s3:::b/runs/kim/x") is speaks


@pytest.mark.parametrize(
    ("element", "speaks"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": ROLE}}, True),
        ({"Principal": {"AWS": ["arn:aws:iam::123456789012:role/other"]}}, False),
        ({"Principal": {"Service": "states.amazonaws.com"}}, False),
        ({"NotPrincipal": {"AWS": ROLE}}, False),
    ],
)
def test_a_statement_names_who_it_means(element: dict[str, Any], speaks: bool) -> None:
    statement = {"Action": "sts:AssumeRole", **element}
    assert fits(statement, "sts:AssumeRole", ROLE, AWS=frozenset({ROLE})) is speaks


def test_a_resource_may_be_written_in_any_of_its_ways() -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:g"
    statement = {"Action": "logs:CreateLogGroup", "Resource": f"{group}:*"}
    assert fits(statement, "logs:CreateLogGroup", f"{group}:log-stream:", group)
    assert not fits(statement, "logs:CreateLogGroup", group)


def test_sids_are_their_own_or_the_place() -> None:
    statements = parse('{"Statement": [{"Effect": "Allow", "Action": "*"}, {"Sid": "B", "Effect": "Deny"}]}')
    assert [statement.sid for statement in statements] == ["#0", "B"]
