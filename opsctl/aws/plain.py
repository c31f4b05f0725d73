"""obstore, for the keys that it leaves as they are: it copies and deletes many times faster than botocore.

Three traps, each of which has a test. obstore reads AWS's environment variables, whatever it is told (a foreign
AWS_ENDPOINT_URL_S3 wins over the endpoint given, a foreign session token is sent along), so it sees none of them. It
makes other keys of some (`x/` becomes `x`), so it gets only those that it keeps. And it says that a request failed, but
not which key and why, so what failed is asked of botocore again.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from opsctl.aws.session import Aws

if TYPE_CHECKING:
    from obstore.store import ClientConfig

# Control characters can also not stand in XML, nor can the last two of the plane.
ODD = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]|^/|/$|//|(?:^|/)\.{1,2}(?:/|$)")
SLOW = re.compile(r"\b503\b|SlowDown")
CREDENTIALS_LAST = timedelta(minutes=5)  # botocore renews what ends within 10
SETTING = threading.Lock()
LAST_ANSWERS = 0.1  # seconds
M_ARENA_MAX = -8  # of mallopt(3)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def is_plain(key: str) -> bool:
    """Whether obstore takes a key and leaves it as it is."""
    return bool(key) and (_is_ordinary(key) or not ODD.search(key))


def _is_ordinary(key: str) -> bool:
    """Of nearly every key this tells as much as the expression does, in a fifth of the time."""
    return key.isprintable() and key[0] not in "/." and key[-1] != "/" and "/." not in key and "//" not in key


class PlainStore:
    """A bucket through obstore. `encryption` are CopyObject's parameters of that name for what is written."""

    def __init__(self, aws: Aws, bucket: str, encryption: Mapping[str, Any] | None = None) -> None:
        from obstore import copy_async, delete_async
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        self._copy, self._delete = copy_async, delete_async
        self._errors = (BaseError, OSError, ValueError, TypeError)
        _live_with_threads()
        with _without_environment(aws.context.is_sandbox):
            self._store = S3Store(
                bucket,
                endpoint=aws.client("s3").meta.endpoint_url,
                region=aws.region,
                virtual_hosted_style_request=False,
                client_options=_client_options(aws),
                # What failed is tried again by us: only so does the pace learn of a SlowDown.
                retry_config={"max_retries": 0, "retry_timeout": timedelta(minutes=1), "backoff": {}},
                **_credentials(aws),
                **_encryption(encryption or {}),
            )

    async def copy(self, source: str, target: str) -> str | None:
        """What went wrong, if anything."""
        try:
            await self._copy(self._store, source, target)
        except self._errors as error:
            return str(error) or type(error).__name__
        return None

    async def delete(self, keys: Sequence[str]) -> str | None:
        """One request for up to 1,000 keys; what went wrong, if anything, with some of them at least."""
        try:
            await self._delete(self._store, keys)
        except self._errors as error:
            return str(error) or type(error).__name__
        return None


def is_slow_down(message: str) -> bool:
    """Whether S3 asks for fewer requests."""
    return bool(SLOW.search(message))


def _credentials(aws: Aws) -> dict[str, Any]:
    if aws.context.is_sandbox:
        keys = aws.sandbox_keys
        own = {"access_key_id": keys.key, "secret_access_key": keys.secret}
        return {**own, "session_token": keys.token} if keys.token else own
    from obstore.auth.boto3 import Boto3CredentialProvider

    return {"credential_provider": Boto3CredentialProvider(aws.session, ttl=CREDENTIALS_LAST)}


def _client_options(aws: Aws) -> ClientConfig:
    options: ClientConfig = {"allow_http": aws.client("s3").meta.endpoint_url.startswith("http://")}
    bundle = None if aws.context.is_sandbox else aws.session.get_config_variable("ca_bundle")
    if bundle:
        with open(bundle, "rb") as file:
            options["root_certificate"] = file.read()
    return options


def _encryption(wanted: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "ServerSideEncryption": "server_side_encryption",
        "SSEKMSKeyId": "sse_kms_key_id",
        "BucketKeyEnabled": "sse_bucket_key_enabled",
    }
    return {names[name]: value for name, value in wanted.items()}


@cache
def _live_with_threads() -> None:
    """obstore answers from hundreds of threads of its own. glibc gives them up to 8 heaps a core, where two do. And one
    that is just handing over its answer when Python ends would abort the process: it gets the time to be done."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have no such heaps
    if set_option:
        set_option(M_ARENA_MAX, 2)
    atexit.register(time.sleep, LAST_ANSWERS)


@contextmanager
def _without_environment(no_proxies: bool) -> Iterator[None]:
    """No variable of AWS's inside (and in the sandbox no proxy): obstore reads them when a store is made."""
    with SETTING:
        hidden = {
            name: os.environ.pop(name)
            for name in list(os.environ)
            if name.upper().startswith("AWS_") or (no_proxies and name.upper() in PROXIES)
        }
        try:
            yield
        finally:
            os.environ.update(hidden)
