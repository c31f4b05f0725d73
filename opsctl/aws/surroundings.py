"""The environment in which another program, such as a worker's command, reaches the same AWS as this one does."""

from __future__ import annotations

import os
from collections.abc import Mapping

from opsctl.aws.session import Aws

_LOOPBACK = "127.0.0.1,localhost"


def surroundings(aws: Aws, ambient: Mapping[str, str]) -> dict[str, str]:
    """`ambient` with the region, profile and endpoint that were chosen. In the sandbox nothing of the user's own AWS
    set-up is left in it: what is run there cannot reach a real account by mistake."""
    chosen = {"AWS_REGION": aws.region, "AWS_DEFAULT_REGION": aws.region}
    if aws.context.url:
        chosen["AWS_ENDPOINT_URL"] = aws.context.url
    if aws.context.profile:
        chosen["AWS_PROFILE"] = aws.context.profile
    if not aws.context.is_sandbox:
        return {**ambient, **chosen}
    keys = aws.sandbox_keys
    kept = {name: value for name, value in ambient.items() if not name.startswith("AWS_")}
    token = {"AWS_SESSION_TOKEN": keys.token} if keys.token else {}
    return {
        **kept, **chosen, **token, "AWS_ACCESS_KEY_ID": keys.key, "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _LOOPBACK, "no_proxy": _LOOPBACK,
    }  # fmt: skip
