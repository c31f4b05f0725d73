"""A stand-in for S3 that is faster than its clients: one bucket in memory, path-style, no signature is checked.

    python benchmarks/s3/server.py [--objects N] [--size BYTES] [--latency MS] [--ceiling WRITES_A_SECOND]

It prints its port and serves until its standard input ends. Lists, copies, deletes, GET, HEAD and PUT are S3's as far
as the clients of the benchmark use them. `--latency` delays every answer; `--ceiling` answers 503 SlowDown to writes
above that rate, a key of DeleteObjects counting as one write. Control requests, answered at once and not counted:

    GET /-/counts    {"list": n, "copy": n, "delete": n, "keys deleted": n, "slowdowns": n, …}
    PUT /-/fill?prefix=P&objects=N&size=B    PUT /-/clear    PUT /-/set?latency=MS&ceiling=N&deny=TEXT&busy=N

Keys that hold the text of `deny` may be neither deleted nor copied. The next `busy` copies and keys of DeleteObjects
are refused inside an answer that says 200, as S3 at times does.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import collections
import json
import re
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape, unescape

PAGE = 1000
TICK = 0.0005  # seconds; answers that are due closer together are written together
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
WHEN = "2026-11-21T12:00:00.000Z"
WHEN_HTTP = "Sat, 21 Nov 2026 12:00:00 GMT"
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'
SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
COPY_SOURCE = re.compile(r"\r\nx-amz-copy-source: *([^\r]+)", re.IGNORECASE)
PLAIN = re.compile(r"[\w/.-]*", re.ASCII)
COPIED = f"<CopyObjectResult><ETag>{escape(ETAG)}</ETag><LastModified>{WHEN}</LastModified></CopyObjectResult>"


@dataclass
class World:
    """Keys with their sizes, the counters, and how slow the server is."""

    sizes: dict[str, int] = field(default_factory=dict)
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    latency: float = 0.0  # seconds
    ceiling: float = 0.0  # writes a second; 0 for none
    tokens: float = 0.0
    refilled: float = 0.0
    deny: str = ""
    busy: int = 0
    ordered: list[str] | None = None

    def keys(self) -> list[str]:
        """In order; sorted anew only after a write."""
        if self.ordered is None:
            self.ordered = sorted(self.sizes)
        return self.ordered

    def put(self, key: str, size: int) -> None:
        """Keeps the order if it is known: new keys are rare while a listing goes on."""
        if key not in self.sizes:
            self.ordered = None
        self.sizes[key] = size

    def delete(self, key: str) -> None:
        """The order stays right but for keys that are gone, which a listing leaves out."""
        self.sizes.pop(key, None)

    def refusal(self, key: str) -> str:
        """The code with which this key is refused, if it is."""
        if self.deny and self.deny in key:
            return "AccessDenied"
        if self.busy:
            self.busy -= 1
            return "InternalError"
        return ""

    def allows(self, writes: int) -> bool:
        """A token bucket of a tenth of a second."""
        if not self.ceiling:
            return True
        now = time.monotonic()
        self.tokens = min(max(self.ceiling / 10, writes), self.tokens + (now - self.refilled) * self.ceiling)
        self.refilled = now
        if self.tokens < writes:
            self.counts["slowdowns"] += 1
            return False
        self.tokens -= writes
        return True


class Late:
    """Answers that wait, in order, for the latency to pass: one timer for all of them, for one each would cost more
    than to answer."""

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[float, asyncio.Transport, bytes]] = collections.deque()

    def write(self, transport: asyncio.Transport, answer: bytes, latency: float) -> None:
        """Write it, that many seconds from now."""
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + latency, transport, answer))
        if len(self._waiting) == 1:
            loop.call_later(latency, self._write_due)

    def _write_due(self) -> None:
        loop, waiting = asyncio.get_running_loop(), self._waiting
        now = loop.time()
        while waiting and waiting[0][0] <= now:
            _, transport, answer = waiting.popleft()
            transport.write(answer)
        if waiting:
            loop.call_later(max(waiting[0][0] - now, TICK), self._write_due)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive; requests on it are answered in order."""

    def __init__(self, world: World, late: Late) -> None:
        self._world, self._late = world, late
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _length(head)
            if len(self._buffer) < end + 4 + length:
                if b"100-continue" in head and self._transport:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        headers = head.decode("latin-1")
        method, target, _ = headers.split(" ", 2)
        path, _, asked = target.partition("?")
        query = parse_qs(asked, keep_blank_values=True) if asked else {}
        control = path.startswith("/-/")
        status, text, extra = self._control(path, query) if control else self._serve(method, path, query, headers, body)
        payload = text.encode()
        sent = b"" if method == "HEAD" else payload
        answer = (
            f"HTTP/1.1 {status}\r\nContent-Length: {len(payload)}\r\nContent-Type: application/xml\r\n"
            f"x-amz-request-id: 1\r\n{extra}\r\n"
        ).encode() + sent
        if self._transport is None:
            return
        if control or not self._world.latency:
            self._transport.write(answer)
        else:
            self._late.write(self._transport, answer, self._world.latency)

    def _control(self, path: str, query: dict[str, list[str]]) -> tuple[str, str, str]:
        world, values = self._world, {name: found[0] for name, found in query.items()}
        if path == "/-/counts":
            return "200 OK", json.dumps(dict(world.counts, keys=len(world.sizes))), ""
        if path == "/-/clear":
            world.sizes.clear()
            world.counts.clear()
            world.ordered = None
        if path == "/-/fill":
            for number in range(int(values["objects"])):
                world.sizes[f"{values['prefix']}{number // 1000:04}/{number:08}"] = int(values.get("size", "100"))
            world.ordered = None
        if path == "/-/set":
            world.latency = float(values.get("latency", "0")) / 1000
            world.ceiling = float(values.get("ceiling", "0"))
            world.deny, world.busy = values.get("deny", ""), int(values.get("busy", "0"))
            world.counts.clear()
        return "200 OK", "{}", ""

    def _serve(
        self, method: str, path: str, query: dict[str, list[str]], headers: str, body: bytes
    ) -> tuple[str, str, str]:
        world = self._world
        key = unquote(path).removeprefix("/").partition("/")[2]
        if method == "GET" and not key:
            return self._bucket(query)
        if method == "POST" and "delete" in query:
            return self._delete_many(body)
        if method == "DELETE" and world.refusal(key):
            return "403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", ""
        if method == "DELETE":
            return self._write("delete", 1, lambda: world.delete(key), "", "204 No Content")
        if method == "PUT":
            return self._put(key, headers, body)
        world.counts["get" if method == "GET" else "head"] += 1
        if key not in world.sizes:
            return "404 Not Found", "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>", ""
        return "200 OK", "x" * world.sizes[key], f"ETag: {ETAG}\r\nLast-Modified: {WHEN_HTTP}\r\n"

    def _bucket(self, query: dict[str, list[str]]) -> tuple[str, str, str]:
        if "location" in query:
            return "200 OK", f"<LocationConstraint {NAMESPACE}/>", ""
        if "versioning" in query:
            return "200 OK", f"<VersioningConfiguration {NAMESPACE}/>", ""
        self._world.counts["list"] += 1
        return "200 OK", listing(self._world, {name: found[0] for name, found in query.items()}), ""

    def _delete_many(self, body: bytes) -> tuple[str, str, str]:
        keys = [found.decode() for found in KEY.findall(body)]
        if b"&" in body:
            keys = [unescape(key, {"&quot;": '"', "&apos;": "'", "&#xD;": "\r", "&#13;": "\r"}) for key in keys]

        refused: dict[str, str] = {}

        def delete() -> None:
            world = self._world
            picky = world.deny or world.busy
            for key in keys:
                if picky and (code := world.refusal(key)):
                    refused[key] = code
                else:
                    world.delete(key)
            world.counts["keys deleted"] += len(keys) - len(refused)

        status, _, extra = self._write("delete", len(keys), delete, "")
        if not status.startswith("200"):
            return status, SLOW_DOWN, extra
        named = [] if b"<Quiet>true</Quiet>" in body else [key for key in keys if key not in refused]
        answer = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in named) + "".join(
            f"<Error><Key>{escape(key)}</Key><Code>{code}</Code><Message>no</Message></Error>"
            for key, code in refused.items()
        )
        return status, f"<DeleteResult {NAMESPACE}>{answer}</DeleteResult>", extra

    def _put(self, key: str, headers: str, body: bytes) -> tuple[str, str, str]:
        source = COPY_SOURCE.search(headers)
        if not source:
            return self._write("put", 1, lambda: self._world.put(key, len(body)), "", extra=f"ETag: {ETAG}\r\n")
        origin = unquote(source[1]).removeprefix("/").partition("/")[2]
        if origin not in self._world.sizes:
            return "404 Not Found", "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>", ""
        code = self._world.refusal(origin)
        if code == "AccessDenied":
            self._world.counts["copy"] += 1
            return "403 Forbidden", f"<Error><Code>{code}</Code><Message>no</Message></Error>", ""
        if code:
            self._world.counts["copy"] += 1
            return "200 OK", f"<Error><Code>{code}</Code><Message>again</Message></Error>", ""
        return self._write("copy", 1, lambda: self._world.put(key, self._world.sizes[origin]), COPIED)

    def _write(
        self, kind: str, writes: int, act: object, text: str, status: str = "200 OK", extra: str = ""
    ) -> tuple[str, str, str]:
        self._world.counts[kind] += 1
        if not self._world.allows(writes):
            return "503 Slow Down", SLOW_DOWN, ""
        act()  # type: ignore[operator]
        return status, text, extra


def listing(world: World, query: dict[str, str]) -> str:
    """One page of ListObjectsV2."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token") or query.get("start-after") or ""
    most = int(query.get("max-keys", PAGE))
    written = _quoted if query.get("encoding-type") == "url" else escape
    keys, rows, shared = world.keys(), [], []
    at = bisect.bisect_left(keys, prefix) if after < prefix else bisect.bisect_right(keys, after)
    last = ""
    while at < len(keys) and keys[at].startswith(prefix) and len(rows) + len(shared) < most:
        key = keys[at]
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut >= 0:
            folder = key[: cut + len(delimiter)]
            shared.append(folder)
            last = folder + "\U0010ffff"
            at = bisect.bisect_left(keys, last)
            continue
        if key in world.sizes:
            rows.append((key, world.sizes[key]))
        last = key
        at += 1
    more = at < len(keys) and keys[at].startswith(prefix)
    contents = "".join(
        f"<Contents><Key>{written(key)}</Key><LastModified>{WHEN}</LastModified><ETag>{ETAG}</ETag>"
        f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, size in rows
    )
    folders = "".join(f"<CommonPrefixes><Prefix>{written(name)}</Prefix></CommonPrefixes>" for name in shared)
    token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
    encoding = "<EncodingType>url</EncodingType>" if written is _quoted else ""
    return (
        f'<?xml version="1.0"?><ListBucketResult {NAMESPACE}><Name>bench</Name><Prefix>{written(prefix)}</Prefix>'
        f"<KeyCount>{len(rows) + len(shared)}</KeyCount><MaxKeys>{most}</MaxKeys>{encoding}"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{contents}{folders}</ListBucketResult>"
    )


def _quoted(key: str) -> str:
    return key if PLAIN.fullmatch(key) else quote(key)


def _length(head: bytes) -> int:
    found = LENGTH.search(head)
    return int(found[1]) if found else 0


async def serve(arguments: argparse.Namespace) -> None:
    """Until standard input ends."""
    world = World(latency=arguments.latency / 1000, ceiling=arguments.ceiling)
    for number in range(arguments.objects):
        world.sizes[f"runs/a/{number // 1000:04}/{number:08}"] = arguments.size
    loop = asyncio.get_running_loop()
    late = Late()
    server = await loop.create_server(lambda: Connection(world, late), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.read(1) or ended.set())
    await ended.wait()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=0)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--ceiling", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
