"""What Map Runs read from S3 (ItemReader) and write to it (ResultWriter)."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from opsctl.asl.failures import StateError
from opsctl.asl.map_items import (
    ITEM_READER_FAILED,
    inventory_config,
    items_of_listing,
    items_of_text,
    limited,
    manifest_files,
)
from opsctl.sandbox.clients import Clients

RESULT_WRITER_FAILED = "States.ResultWriterFailed"
_GZIP = b"\x1f\x8b"
Items = list[Any] | dict[str, Any]


class MapFiles:
    """Reads items and writes results through the sandbox's own S3."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def as_role(self, role: str) -> MapFiles:
        """The same, as a machine's role."""
        return MapFiles(self._clients.as_role(role))

    def read(self, reader: Mapping[str, Any]) -> Items:
        """The items that an ItemReader finds. Raises StateError (States.ItemReaderFailed)."""
        asked, config = reader["Parameters"], reader["ReaderConfig"]
        try:
            if reader["Resource"].endswith(":s3:listObjectsV2"):
                pages = self._clients.client("s3").get_paginator("list_objects_v2").paginate(**asked)
                return items_of_listing((entry for page in pages for entry in page.get("Contents", [])), config)
            if config.get("InputType") == "MANIFEST":
                return self._inventory(self._text(asked), config)
            return items_of_text(self._text(asked), config)
        except (ClientError, BotoCoreError) as error:
            raise StateError(ITEM_READER_FAILED, _told(error)) from error

    def write(self, bucket: str, files: Mapping[str, str]) -> None:
        """Store a ResultWriter's files. Raises StateError (States.ResultWriterFailed)."""
        client = self._clients.client("s3")
        try:
            for key, text in files.items():
                client.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise StateError(RESULT_WRITER_FAILED, _told(error)) from error

    def _inventory(self, text: str, config: Mapping[str, Any]) -> list[Any]:
        bucket, keys, columns = manifest_files(text)
        named = inventory_config(config, columns)
        return limited(
            (item for key in keys for item in items_of_text(self._text({"Bucket": bucket, "Key": key}), named)), config
        )

    def _text(self, asked: Mapping[str, Any]) -> str:
        content: bytes = self._clients.client("s3").get_object(**asked)["Body"].read()
        unpacked = gzip.decompress(content) if content.startswith(_GZIP) else content
        return unpacked.decode("utf-8", "replace")


def _told(error: ClientError | BotoCoreError) -> str:
    return str(error.response["Error"].get("Message", error)) if isinstance(error, ClientError) else str(error)
