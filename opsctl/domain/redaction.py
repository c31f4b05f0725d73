"""Credentials, struck out of what people are shown.

The cause of a failed Batch job is its whole description with its environment, and a job's last words may hold what it
was given; alerts, reports and what is pasted into a ticket travel further than the history that they were read from.
What has the form of a credential goes, whatever it stands in, and so does the value of whatever is named like one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

STRUCK_OUT = "[redacted]"
# The name of a variable is no secret and tells a lot. Of tokens, those that a tokenizer counts are no secret either,
# nor is what our own words say of "these credentials: ".
_NAMES = (
    r"(?:passw(?:or)?d|passphrase|passcode|[_-]pass(?![a-z])|[_-]pwd|\bpwd(?==[^/])|secret|credential(?!s: )"
    r"|[_-]pw(?![a-z])|\bpw(?==)|(?:api|access|private|account|encryption|signing|master|shared|ssh)[_-]?key"
    r"|(?:[_-]|access|auth|id|refresh|session)token(?!s(?![a-z])|i[sz])|(?<![a-z])token(?=\\*[\"']|=|\Z)"
    r"|[_-](?:auth|dsn)(?![a-z])|\b(?:auth|dsn)(?=\\*[\"']|=|\Z)|conn(?:ection)?[_-]?str(?:ing)?(?![a-z])"
    r"|(?:git(?:hub|lab)|gh|azure|ado|docker)[_-]pat(?![a-z]))"
    r"[a-z0-9_-]{0,60}"
)
_QUOTE = r"\\*[\"']"
# From a quote to the one that stands as deep, or to the end of a text that was cut off.
_OPENED, _QUOTED = r"(?P<quote>\\*[\"'])", r"(?:(?!(?<!\\)(?P=quote)).)+"
# A comma or the like ends a value only where another name, or nothing, comes after it.
_PIECE = r"(?:[&,;](?=[^\s\"'\\])(?![\w.-]{1,60}\s{0,3}[=:])|[^\s\"',;&}\\])"
_ANSWER = r"(?:true|false|yes|no|on|off|none|null)"  # whether there is a secret, as in require_auth=true, is none
_BARE = rf"(?!{_ANSWER}(?!{_PIECE})){_PIECE}+"
_BEGUN = rf"{_OPENED}(?!{_ANSWER}(?P=quote))"
_IS = rf"(?:{_QUOTE})?\s{{0,3}}[:=]\s{{0,3}}"
# Where an option begins. What comes before keeps a row of dashes from being looked through again from each of them.
_OPTION_HEAD = r"(?<![a-z0-9-])--[a-z0-9-]{0,60}?"
_SCHEMES = r"(?:(?:aws4-hmac-sha256|basic|bearer|digest|token) )?"
# How tokens begin that say whose they are: of GitHub, Slack, Hugging Face, W&B and others.
_ISSUED = (
    r"gh[pousr]_|github_pat_|glpat-|pypi-AgE|[rs]k_(?:live|test)_|sk-(?:ant|proj|svcacct)-|whsec_|wandb_v1_"
    r"|xox[a-z]-|xapp-|AIza|ya29\.|dop_v1_|dckr_pat_|nvapi-|shpat_|hv[bs]\.|SG\."
)
# What the first group holds stands before the secret, and is kept.
_SECRETS = (
    r"()-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    r"()\b(?-i:AKIA|ASIA)[A-Z0-9]{16}\b",
    rf"()\b(?-i:{_ISSUED})[\w.-]{{16,}}",
    r"()\b(?-i:hf_|npm_)[a-z0-9]{30,}",  # 34 and 36 as they are issued; file names and settings begin like that, too
    r"()\bsk-[a-z0-9]{32,}",
    r"(://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/)[\w/-]+",
    r"(\bmachine\s{1,3}\S{1,200}\s{1,3}login\s{1,3}\S{1,200}\s{1,3}password\s{1,3})[^\s\"'\\]+",  # as in .netrc
    r"()\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",  # a JSON web token
    r"(://)[^/\s:@\"'\\]{0,200}:[^/\s\"'\\]{1,200}(?=@)",
    r"(://)[^/\s:@\"'\\]{16,200}(?=@)",
    r"(\bbearer )[a-z0-9._~+/=-]{8,}",
    rf"(\bauthorization{_IS}(?:{_QUOTE})?{_SCHEMES})[^\"'\\\r\n]+",
    rf"(\b(?:set-)?cookie{_IS}(?:{_QUOTE})?)[^\"'\\\r\n]+",
    r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|sig|signature)=)[^&\s\"'\\]+",
    rf"({_NAMES}{_IS}{_BEGUN}){_QUOTED}",
    rf"({_NAMES}{_IS}){_BARE}",
    rf"({_NAMES}{_QUOTE}\s{{0,3}},\s{{0,3}}{_QUOTE}value{_QUOTE}\s{{0,3}}:\s{{0,3}}{_BEGUN}){_QUOTED}",
    rf"({_OPTION_HEAD}(?:{_NAMES}|(?<=--)(?:token|auth))\s{{1,3}})(?!-|{_ANSWER}(?![^\s\"'\\]))[^\s\"'\\]+",
    rf"({_OPTION_HEAD}{_NAMES}{_QUOTE}\s{{0,3}},\s{{0,3}}{_BEGUN}){_QUOTED}",
)
_NAMED = rf"{_NAMES}|authorization|cookie"
BESIDE = ("Name", "name", "Key", "key")
_WORD = r"passw|passphrase"
_OPTION = rf"--?[a-z0-9-]*{_NAMES}"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Compiled when it is first needed: to compile them all takes longer than a --help."""
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def redacted(text: str) -> str:
    """The text with everything struck out that looks like a credential. JSON is looked at as what it says, too: a value
    may hold quotes, and stand before the name that it has."""
    struck = text
    for secret in _SECRETS:
        struck = _expression(secret).sub(rf"\1{STRUCK_OUT}", struck)
    try:
        said = _parsed(text)
        if said is None or (clean := redacted_value(said)) == _parsed(struck):
            return struck
        return json.dumps(clean, ensure_ascii=False)
    except RecursionError:
        return struck


def redacted_value(value: Any, name: str = "") -> Any:
    """A value of JSON with every text in it redacted, and struck out where `name`, its key, or the `Name` or `Key`
    beside it (as environments and tags are listed), or the option before it is that of a credential. Numbers, but for
    passwords, and true, false, null and the like stay."""
    if isinstance(value, str):
        named = value and _expression(_NAMED).search(name) and not _expression(_ANSWER).fullmatch(value)
        return STRUCK_OUT if named else redacted(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return STRUCK_OUT if _expression(_WORD).search(name) else value
    if isinstance(value, Mapping):
        beside = next((str(value[key]) for key in BESIDE if key in value), "")
        return {
            key: redacted_value(item, beside if key in ("Value", "value") else str(key)) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        options = [_option(item) for item in value]
        return [redacted_value(item, before or name) for item, before in zip(value, ["", *options], strict=False)]
    return value


def struck_out(value: Any, path: str = "") -> Iterator[str]:
    """Where in a document a value stands that was struck out, as dotted paths: nobody can work with what opsctl has
    shown in place of a credential."""
    if isinstance(value, str) and STRUCK_OUT in value:
        yield path or "the whole"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from struck_out(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from struck_out(item, f"{path}[{number}]")


def _option(word: Any) -> str:
    """The word, if it is an option of a command whose value is a credential."""
    return word if isinstance(word, str) and _expression(_OPTION).fullmatch(word) else ""


def _parsed(text: str) -> Any:
    """The object or list that a text of JSON is; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
