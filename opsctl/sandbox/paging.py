"""Pages of lists, and the tokens between them.

A token holds where to go on, how long it counts, and a mark of the request that it came from: AWS wants the next page
asked for with the same arguments.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from moto.stepfunctions.exceptions import InvalidToken

DEFAULT = 100
VALID_SECONDS = 24 * 3600
_FREE = ("maxResults", "nextToken")
Entry = TypeVar("Entry")


class Pages:
    """The pages of one kind of request: an action and its arguments, but for the page's own."""

    def __init__(self, action: str, arguments: Mapping[str, Any]) -> None:
        asked = {name: value for name, value in arguments.items() if name not in _FREE}
        self._mark = hashlib.sha256(json.dumps([action, asked], sort_keys=True).encode()).hexdigest()[:16]
        # 0 asks for the default too.
        self._size = arguments.get("maxResults") or DEFAULT
        self._token: str | None = arguments.get("nextToken")

    def page(self, entries: Sequence[tuple[int, Entry]], *, falling: bool = False) -> tuple[list[Entry], str | None]:
        """One page of entries in the order of their numbers, and the token of the next. Raises InvalidToken.

        Numbers rise, or fall with `falling`; they never change, so entries that come or go between two pages neither
        repeat nor hide others.
        """
        if self._token is not None:
            last = self._position(self._token)
            entries = [entry for entry in entries if (entry[0] < last if falling else entry[0] > last)]
        page = entries[: self._size]
        more = len(entries) > self._size
        return [entry for _, entry in page], self._issue(page[-1][0]) if more else None

    def _issue(self, position: int) -> str:
        content = json.dumps([position, int(time.time()) + VALID_SECONDS, self._mark])
        return base64.urlsafe_b64encode(content.encode()).decode()

    def _position(self, token: str) -> int:
        try:
            position, expires, mark = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError) as error:
            raise InvalidToken("'Invalid token'") from error
        if mark != self._mark or expires < time.time():
            raise InvalidToken("'Invalid token'")
        return int(position)
