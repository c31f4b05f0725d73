"""Credentials are struck out of what people are shown; the rest stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.redaction import redacted, redacted_value


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key AKIAIOSFODNN7EXAMPLE is bad", "key [redacted] is bad"),
        ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=[redacted] next"),
        ('{"aws_secret_access_key": "wJalrXUtnFEMI"}', '{"aws_secret_access_key": "[redacted]"}'),
        ('{"Name":"API_TOKEN","Value":"abc def"},{"Name":"A","Value":"b"}',
         '{"Name":"API_TOKEN","Value":"[redacted]"},{"Name":"A","Value":"b"}'),
        (r'{\"Name\":\"SECRET\",\"Value\":\"abc\"}', r'{\"Name\":\"SECRET\",\"Value\":\"[redacted]\"}'),
        ("postgres://me:pw@host/db", "postgres://[redacted]@host/db"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer [redacted]"),
        ("https://b.s3/x?X-Amz-Signature=abc123&y=1", "https://b.s3/x?X-Amz-Signature=[redacted]&y=1"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----!", "[redacted]!"),
        ("max_tokens=512, bert_tokenizer=fast", "max_tokens=512, bert_tokenizer=fast"),
        ("unexpected token: x; 3 tokens left; loss is nan", "unexpected token: x; 3 tokens left; loss is nan"),
    ],
)  # fmt: skip
def test_credentials_are_struck_out_and_other_words_are_not(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"DbPassword": "x y", "Db": "x y"}, {"DbPassword": "[redacted]", "Db": "x y"}),
        ({"max_tokens": "512", "bert_tokenizer": "fast", "job-token": ""}, None),
        ({"Name": "API_TOKEN", "Value": "a, b"}, {"Name": "API_TOKEN", "Value": "[redacted]"}),
        ({"name": "LR", "value": "0.1"}, None),
        ({"secrets": ["a", {"deep": ["AKIAIOSFODNN7EXAMPLE"]}]}, {"secrets": ["[redacted]", {"deep": ["[redacted]"]}]}),
        ({"password": None, "secret": 7, "api_key": True}, None),
        ([1, "s3://bucket/runs/nightly-7/", None], None),
    ],
)
def test_in_a_document_a_credential_goes_by_its_name_or_by_its_form(value: Any, left: Any) -> None:
    assert redacted_value(value) == (value if left is None else left)


TEXTS = st.text(st.sampled_from('a=:"' + "'" + " ,[]{}tokensecret_-/@"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_struck_out_stays_so_and_nothing_else_changes_its_shape(value: Any) -> None:
    once = redacted_value(value)
    assert redacted_value(once) == once
    assert _shape(once) == _shape(value)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)
