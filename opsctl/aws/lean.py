"""A session of botocore that loads less: of its start, more than half is spent on what a command line never asks for.

* Its clients make documentation of every method, out of a package that takes a seventh of the import. Stand-ins take
  that package's place while botocore is imported, and are gone afterwards; where a botocore wants more of it than they
  have, it gets the real one.
* Its loader looks through the folders of all services to find out that there is a Step Functions, and reads models
  into ordered dictionaries. Ours knows that the services that we name are there, and reads plain ones.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_DOCUMENTATION = ("botocore.docs", "botocore.docs.docstring", "botocore.docs.utils")


def lean_session(profile: str | None, *, sources: bool) -> Any:
    """botocore's session with a profile, with less to load; without `sources` nothing of the user's configuration is
    read, in the environment or in files."""
    _import_session()
    from botocore.loaders import Loader
    from botocore.session import Session

    from opsctl.aws.models import PlainDicts

    class Known(Loader):  # type: ignore[misc]  # botocore has no types
        def list_available_services(self, type_name: str) -> Any:
            return _Every(super().list_available_services, type_name)

    variables = None if sources else _without_sources(Session.SESSION_VARIABLES)
    session = Session(session_vars=variables, profile=profile)
    extra = session.get_config_variable("data_path")
    paths = [str(Path(path).expanduser()) for path in extra.split(os.pathsep)] if extra else None
    session.register_component("data_loader", Known(extra_search_paths=paths, file_loader=PlainDicts()))
    return session


def _without_sources(variables: Any) -> dict[str, Any]:
    """botocore's session variables with environment and files switched off; only the defaults are left."""
    nowhere = {"config_file": os.devnull, "credentials_file": os.devnull}
    return {
        name: (None, None, nowhere.get(name, default), convert) for name, (_, _, default, convert) in variables.items()
    }


class _Every:
    """All services, by name, without a look for them: one that there is not is missed when its model is loaded."""

    def __init__(self, names: Any, type_name: str) -> None:
        self._names, self._type = names, type_name

    def __contains__(self, name: str) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(self._names(self._type))


def _import_session() -> None:
    if any(name in sys.modules for name in ("botocore.session", "botocore.client", *_DOCUMENTATION)):
        return
    stand_ins = {name: _StandIn(name) for name in _DOCUMENTATION}
    sys.modules.update(stand_ins)
    try:
        with contextlib.suppress(ImportError):  # then it is imported once more, with the real ones
            import botocore.session  # noqa: F401
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _StandIn(ModuleType):
    """A module that has whatever is imported from it."""

    __path__: list[str] = []  # noqa: RUF012 - what makes it a package, of nothing else

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Nothing:
    """Documentation that nobody reads: writers of it, made of anything, that write nothing when an event calls them."""

    def __init__(self, *words: Any, **more: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._write_nothing

    def _write_nothing(self, *words: Any, **more: Any) -> None:
        pass
