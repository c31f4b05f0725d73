"""Credentials are struck out of what people are shown; the rest stays as it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain import redaction
from opsctl.domain.redaction import redacted, redacted_value, struck_out


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
        ("redis://:hunter2@host/0, amqp://me:p@ss:w@host", "redis://[redacted]@host/0, amqp://[redacted]@host"),
        ("git clone https://0123456789abcdef0123@host/x.git", "git clone https://[redacted]@host/x.git"),
        ("postgres://etl@db/x, http://host:80/a@b, me@example.com", None),
        ("Authorization: Basic bWU6cHc=", "Authorization: Basic [redacted]"),
        ("Cookie: a=b; c=d\nnext", "Cookie: [redacted]\nnext"),
        ("https://b.s3/x?AWSAccessKeyId=me&Signature=abc&Expires=1",
         "https://b.s3/x?AWSAccessKeyId=[redacted]&Signature=[redacted]&Expires=1"),
        ("password='it is, indeed; &long' next", "password='[redacted]' next"),
        (r'"{\"password\": \"correct \\\"horse\\\" battery\", \"a\": 1}"',
         r'"{\"password\": \"[redacted]\", \"a\": 1}"'),
        ("password: \"cut off, the rest", "password: \"[redacted]"),
        ("PASSWORD=a,b;c&d user=me, and=so", "PASSWORD=[redacted] user=me, and=so"),
        ("Server=x;User Id=sa;Pwd=abc;Timeout=5", "Server=x;User Id=sa;Pwd=[redacted];Timeout=5"),
        ("DB_PASS=abc AccountKey=abc== MYSQL_PWD=abc", "DB_PASS=[redacted] AccountKey=[redacted] MYSQL_PWD=[redacted]"),
        ("mysql --password abc -h x; run --api-key=abc", "mysql --password [redacted] -h x; run --api-key=[redacted]"),
        ('["run","--api-key","abc def","-v"]', '["run","--api-key","[redacted]","-v"]'),
        ("ghp_0123456789abcdefABCD and hf_0123456789abcdefABCDEFGHIJKLMNOPQR", "[redacted] and [redacted]"),
        ("npm_0123456789abcdefABCDEFGHIJKLMNOPQRST; pypi-AgEIcHlwaS5vcmcCJGFiYy0wMTIz", "[redacted]; [redacted]"),
        ("pip install pypi-something-1.0-py3-none-any.whl pypi-simple-1.6.0.tar.gz", None),
        ("hf_hub_download of hf_bert_base_uncased, npm_package_version_of_it=1, npm_config_registry", None),
        ("require_auth=true, USE_BASIC_AUTH: False; --require-auth true use-password: no; a_token=none", None),
        ("db_password=true,x7 auth=yes-9 x_auth=none. --password on1 --password on",
         "db_password=[redacted] auth=[redacted] x_auth=[redacted] --password [redacted] --password on"),
        ('{"require_auth": "true", "Name": "X_AUTH", "Value": "off", "args": ["--use-password", "no"]}', None),
        ("run --token abc --auth me:pw --auth -v", "run --token [redacted] --auth [redacted] --auth -v"),
        ("DB_PW=abc pw=abc powers: pw_max=3", "DB_PW=[redacted] pw=[redacted] powers: pw_max=3"),
        ('{"key":"password","value":"abc"}', '{"key":"password","value":"[redacted]"}'),
        ('{"Value":"abc","Key":"password"}', '{"Value": "[redacted]", "Key": "password"}'),
        ('{"require_auth": "true1", "x_auth": "offline"}', '{"require_auth": "[redacted]", "x_auth": "[redacted]"}'),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d!", "[redacted]!"),
        ('{"Value":"abc","Name":"DB_PASSWORD"}', '{"Value": "[redacted]", "Name": "DB_PASSWORD"}'),
        (r'{"Name":"DB_PASSWORD","Value":"it\u0027s \"so\\ long"}', '{"Name":"DB_PASSWORD","Value":"[redacted]"}'),
        ('{"token":"abc","sessionToken":"abc"}', '{"token":"[redacted]","sessionToken":"[redacted]"}'),
        ("SMTP_AUTH=me:pw BASIC_AUTH: x auth=y", "SMTP_AUTH=[redacted] BASIC_AUTH: [redacted] auth=[redacted]"),
        ('{"auths": {"ghcr.io": {"auth": "bWU6cHc="}}}', '{"auths": {"ghcr.io": {"auth": "[redacted]"}}}'),
        ("MYSQL_DSN=me:pw@tcp(db:3306)/x", "MYSQL_DSN=[redacted]"),
        ("AZURE_STORAGE_CONNECTION_STRING='A=b;AccountKey=c==;D=e'", "AZURE_STORAGE_CONNECTION_STRING='[redacted]'"),
        ("PGPASSWORD=hunter2 GITHUB_PAT=abc WANDB_API_KEY=0123",
         "PGPASSWORD=[redacted] GITHUB_PAT=[redacted] WANDB_API_KEY=[redacted]"),
        ("machine github.com login me password hunter2\nmachine",
         "machine github.com login me password [redacted]\nmachine"),
        ("https://hooks.slack.com/services/T00/B00/abc-_d!", "https://hooks.slack.com/services/[redacted]!"),
        ("https://storage/x?X-Goog-Credential=me&X-Goog-Signature=ab",
         "https://storage/x?X-Goog-Credential=[redacted]&X-Goog-Signature=[redacted]"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----", "[redacted]"),
        ("sk-0123456789abcdef0123456789abcdef xapp-1-A0123456789-012 ya29.a0123456789abcdef",
         "[redacted] [redacted] [redacted]"),
        ("author=me, authority: x, authentication failed: retry, oauth: off, reconnection: 3", None),
        ("pwd=/home/me, one pass is enough, 2 passes: 3", None),
        ("max_tokens=512, bert_tokenizer=fast", "max_tokens=512, bert_tokenizer=fast"),
        ("unexpected token: x; 3 tokens left; loss is nan", "unexpected token: x; 3 tokens left; loss is nan"),
    ],
)  # fmt: skip
def test_credentials_are_struck_out_and_other_words_are_not(text: str, left: str | None) -> None:
    assert redacted(text) == (text if left is None else left)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"DbPassword": "x y", "Db": "x y"}, {"DbPassword": "[redacted]", "Db": "x y"}),
        ({"max_tokens": "512", "bert_tokenizer": "fast", "job-token": ""}, None),
        ({"Name": "API_TOKEN", "Value": "a, b"}, {"Name": "API_TOKEN", "Value": "[redacted]"}),
        ({"name": "LR", "value": "0.1"}, None),
        ({"secrets": ["a", {"deep": ["AKIAIOSFODNN7EXAMPLE"]}]}, {"secrets": ["[redacted]", {"deep": ["[redacted]"]}]}),
        ({"Environment": [{"Value": "a", "Name": "TOKEN"}]},
         {"Environment": [{"Value": "[redacted]", "Name": "TOKEN"}]}),
        ({"Command": ["--db-password", "a b", "-v"]}, {"Command": ["--db-password", "[redacted]", "-v"]}),
        ({"password": 123456, "passes": 3}, {"password": "[redacted]", "passes": 3}),
        ({"errorMessage": '{"Name": "DB_PASS", "Value": "it\'s"}'},
         {"errorMessage": '{"Name": "DB_PASS", "Value": "[redacted]"}'}),
        ({"password": None, "secret": 7, "api_key": True}, None),
        ([1, "s3://bucket/runs/nightly-7/", None], None),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    "piece", ["password=", 'password="', "--a-", "://a:", "\\", "token", "cookie: ", "&sig=", "[", "eyJ", "-", "--"]
)
def test_what_is_struck_out_of_a_long_text_stays_so(piece: str) -> None:
    text = piece * 5_000
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("row", ["-", "--a-", "-a", "a-"])
def test_a_row_of_dashes_is_looked_through_once(row: str) -> None:
    """From each place where an option may begin, the expression looks on for 60 characters: there is one at most."""
    assert len(re.findall(redaction._OPTION_HEAD, row * 10_000)) <= 1
    options = [secret for secret in redaction._SECRETS if "--" in secret and "-----" not in secret]
    assert len(options) == 2
    assert all(option.startswith(f"({redaction._OPTION_HEAD}") for option in options)


def test_where_something_was_struck_out_is_told() -> None:
    document = {"a": {"b": ["x", "[redacted]"]}, "c": "postgres://[redacted]@db", "d": 1, "e": None}
    assert list(struck_out(document)) == ["a.b[1]", "c"]
    assert list(struck_out("[redacted]")) == ["the whole"]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)
