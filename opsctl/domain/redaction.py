"""Credentials, struck out of what people are shown.

The cause of a failed Batch job is its whole description with its environment, and a job's last words may hold what it
was given; alerts, reports and what is pasted into a ticket travel further than the history that they were read from.
What has the form of a credential goes, whatever it stands in, and so does the value of whatever is named like one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STRUCK_OUT = "[redacted]"
# What stands before the secret, in the first group, is kept: the name of a variable is no secret and tells a lot. Of
# tokens, those that a tokenizer counts are no secret either.
_NAMES = (
    r"(?:password|passwd|secret|api_?key|access_?key|private_?key|credential|[_-]token(?!s(?![a-z])|i[sz])|token(?==))"
    r"[a-z0-9_-]{0,60}"
)
_QUOTE = r"\\?[\"']"
_SECRETS = (
    re.compile(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)"),
    re.compile(r"(?i)(\bbearer )[a-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)(x-amz-(?:signature|credential|security-token)=)[^&\s\"']+"),
    re.compile(rf"(?i)({_NAMES}(?:{_QUOTE})?\s{{0,3}}[:=]\s{{0,3}}(?:{_QUOTE})?)[^\s\"',;&}}\\]+"),
    re.compile(rf"(?i)({_NAMES}{_QUOTE}\s{{0,3}},\s{{0,3}}{_QUOTE}value{_QUOTE}\s{{0,3}}:\s{{0,3}}{_QUOTE})[^\"'\\]+"),
)
_NAMED = re.compile(_NAMES, re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with everything struck out that looks like a credential."""
    for secret in _SECRETS:
        text = secret.sub(rf"\1{STRUCK_OUT}", text)
    return text


def redacted_value(value: Any, name: str = "") -> Any:
    """A value of JSON with every text in it redacted, and struck out where `name`, its key, or the `Name` beside it (as
    Batch lists an environment) is that of a credential. Numbers, true, false and null stay."""
    if isinstance(value, str):
        return STRUCK_OUT if value and _NAMED.search(name) else redacted(value)
    if isinstance(value, Mapping):
        beside = next((str(value[key]) for key in ("Name", "name") if key in value), "")
        return {
            key: redacted_value(item, beside if key in ("Value", "value") else str(key)) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_value(item, name) for item in value]
    return value
