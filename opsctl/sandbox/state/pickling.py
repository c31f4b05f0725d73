"""Pickles the sandbox's graph of objects, and reads it back.

Most of it is plain data that pickle knows. `dispatch_table` has the rest, by exact type: locks begin unlocked, keys are
written as PEM, and what each server has of its own (`parts`: the world, the engine, clients …) is written as a name,
for which the one who reads has its own part. A class whose objects need more than that says so itself (`__getstate__`,
`__setstate__`). Nothing here, nor in a `__getstate__`, may wait for a lock: the copy of the server that pickles has one
thread, and nobody who would let go of the lock.
"""

from __future__ import annotations

import copyreg
import io
import itertools
import pickle
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures._base import FINISHED
from types import FunctionType
from typing import Any
from weakref import WeakValueDictionary

from cryptography import x509
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import serialization
from moto.s3.utils import _VersionedKeyStore

DEEPEST = 5_000
"""Things within things: JSON may be nested as deeply as Python reads it, a thousand levels, and much lies around it."""
Reduced = tuple[Any, ...]


class Graph:
    """How to pickle one server's objects. `parts` are the server's own, by name, one of each type."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = dict(parts)
        self._table: dict[type, Callable[[Any], Any]] = {
            **copyreg.dispatch_table,
            **_reducers(),
            **{type(part): _named(name, part) for name, part in self._parts.items()},
        }

    def dumps(self, graph: Any) -> bytes:
        """The graph as bytes. Raises whatever pickle, or an object, raises."""
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream, protocol=5)
        pickler.dispatch_table = {**self._table, **dict.fromkeys(defaultdict.__subclasses__(), _default_dict)}
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(max(usual, DEEPEST))
        try:
            pickler.dump(graph)
        finally:
            sys.setrecursionlimit(usual)
        return stream.getvalue()

    def loads(self, content: bytes) -> Any:
        """The graph again, with the parts of this server. Only for what this user wrote: it runs what it says."""
        _here.update(self._parts)
        return pickle.loads(content)


# The parts of the server that reads.
_here: dict[str, Any] = {}


def _part(name: str) -> Any:
    return _here[name]


def _named(name: str, part: Any) -> Callable[[Any], Reduced]:
    def reduced(one: Any) -> Reduced:
        if one is not part:
            raise pickle.PicklingError(f"{one!r} is not the server's {name}")
        return (_part, (name,))

    return reduced


def _reducers() -> dict[type, Callable[[Any], Reduced]]:
    return {
        type(threading.Lock()): lambda _: (threading.Lock, ()),
        type(threading.RLock()): lambda _: (threading.RLock, ()),
        threading.Condition: lambda _: (threading.Condition, ()),
        threading.Event: lambda event: (_event, (event.is_set(),)),
        Future: _future,
        defaultdict: _default_dict,
        itertools.count: lambda count: (itertools.count, (int(repr(count).removeprefix("count(").partition(")")[0]),)),
        WeakValueDictionary: lambda known: (_weak, (dict(known),)),
        _VersionedKeyStore: lambda store: (_VersionedKeyStore, (), dict.copy(store), None, None, _fill_store),
        openssl.rsa.RSAPrivateKey: _private_key,
        openssl.ec.ECPrivateKey: _private_key,
        x509.Certificate: lambda one: (_read_certificate, (one.public_bytes(serialization.Encoding.PEM),)),
    }


def _default_dict(known: defaultdict[Any, Any]) -> Reduced:
    """moto makes empty ones by functions without a name, which cannot be written; what they make can. A class of its
    own may take arguments that nobody knows any more."""
    made = known.default_factory() if isinstance(known.default_factory, FunctionType) else None
    factory = known.default_factory if made is None else type(made)
    return (_made, (type(known), factory), getattr(known, "__dict__", None), None, iter(dict(known).items()))


def _made(kind: type[defaultdict[Any, Any]], factory: Any) -> defaultdict[Any, Any]:
    known = kind.__new__(kind)
    defaultdict.__init__(known, factory)
    return known


def _event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def _future(future: Future[Any]) -> Reduced:
    """What has come is kept, and who waits is not. Its own methods would wait for its lock."""
    come = future._state == FINISHED and future._exception is None
    return (_come, (future._result,)) if come else (Future, ())


def _come(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def _weak(known: dict[Any, Any]) -> WeakValueDictionary[Any, Any]:
    return WeakValueDictionary(known)


def _fill_store(store: Any, lists: dict[str, Any]) -> None:
    """moto's table of keys and their versions, which as a dictionary shows the last versions only."""
    for key, versions in lists.items():
        dict.__setitem__(store, key, versions)


def _private_key(key: Any) -> Reduced:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (_read_key, (text,))


def _read_key(text: bytes) -> Any:
    return serialization.load_pem_private_key(text, None)


def _read_certificate(text: bytes) -> Any:
    return x509.load_pem_x509_certificate(text)
