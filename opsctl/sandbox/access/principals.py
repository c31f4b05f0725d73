"""Who asks, and what their policies are: users and sessions of roles, as moto's IAM and STS know them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from opsctl.sandbox.access.statements import Need, Policy, Question
from opsctl.sandbox.environment import ACCESS_KEY

SESSION_SECONDS = 43_200


@dataclass(frozen=True)
class Principal:
    """`arn` is as denials name it; policies of resources name it by `names`, or its `account`, as one of its `kind`.
    `limits` are sets of policies of which each has to allow too: a permissions boundary, a session's own policy."""

    arn: str
    names: frozenset[str]
    kind: str = "AWS"
    account: frozenset[str] = frozenset()
    identity: tuple[Policy, ...] = ()
    limits: tuple[tuple[Policy, ...], ...] = ()
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def asks(self, need: Need, *, as_account: bool = True) -> Question:
        """The question that a need of this principal's is; `as_account` says whether naming the account means it."""
        names = self.names | self.account if as_account else self.names
        return Question(need, {self.kind: names}, {**self.context, **dict(need.context)})


@dataclass(frozen=True)
class Session:
    """A role's temporary credentials, and the role's ARN."""

    role: str
    name: str
    key: str
    secret: str
    token: str
    policy: str | None = None


class Identities:
    """The users and roles of one account. Safe to use from any thread."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region
        self._sessions: dict[tuple[str, str], Session] = {}
        self._by_key: dict[str, Session] = {}
        self._lock = threading.Lock()

    def session(self, role: str, name: str) -> Session:
        """A session of a role, the same one for the same name."""
        with self._lock:
            if (role, name) not in self._sessions:
                made: Any = self._sts.assume_role(self._region, name, role, "", SESSION_SECONDS, "")
                session = Session(role, name, made.access_key_id, made.secret_access_key, made.session_token)
                self._sessions[role, name] = self._by_key[session.key] = session
            return self._sessions[role, name]

    def kept(self) -> list[Session]:
        """The sessions of roles."""
        return list(self._sessions.values())

    def restore(self, kept: list[Session]) -> None:
        """Know the sessions of another server."""
        self._sessions |= {(session.role, session.name): session for session in kept}
        self._by_key |= {session.key: session for session in kept}

    def is_admin(self, key: str) -> bool:
        """Whether a key is the sandbox's own, which may do everything."""
        return key == ACCESS_KEY

    def find(self, key: str) -> Principal | None:
        """Whose a key is; None for one that nobody knows."""
        session = self._by_key.get(key) or self._assumed(key)
        if session is not None:
            return self.role(session.role, session.name, session.policy)
        for user in list(self._iam.users.values()):
            if any(known.access_key_id == key and known.status == "Active" for known in list(user.access_keys)):
                return self._user(user)
        return None

    def role(self, arn: str, session: str, policy: str | None = None) -> Principal:
        """A session of a role. A role that is gone has no policies."""
        role = next((one for one in list(self._iam.roles.values()) if one.arn == arn), None)
        name = arn.rpartition("/")[2]
        own = f"arn:aws:sts::{self._account}:assumed-role/{name}/{session}"
        return Principal(
            own,
            frozenset({arn, own}),
            "AWS",
            self._account_names,
            () if role is None else _policies(role),
            self._limits(getattr(role, "permissions_boundary_arn", None), policy),
            self._facts(arn, f"{getattr(role, 'id', name)}:{session}"),
        )

    def named(self, arn: str) -> Principal | None:
        """The user or role of that ARN; None where there is none."""
        user = next((one for one in list(self._iam.users.values()) if one.arn == arn), None)
        if user is not None:
            return self._user(user)
        return self.role(arn, "simulated") if any(one.arn == arn for one in list(self._iam.roles.values())) else None

    def trust(self, arn: str) -> Policy | None:
        """The trust policy of a role, if there is such a role."""
        role = next((one for one in list(self._iam.roles.values()) if one.arn == arn), None)
        return None if role is None else Policy(arn, "trust", role.assume_role_policy_document)

    def service(self, name: str, source: str) -> Principal:
        """A service of AWS that acts by itself, for the resource whose ARN is given."""
        facts = {"aws:sourcearn": (source,), "aws:sourceaccount": (self._account,), "aws:sourceowner": (self._account,)}
        return Principal(name, frozenset({name}), "Service", context={**facts, **_SECURE})

    def _user(self, user: Any) -> Principal:
        groups = [group for group in list(self._iam.groups.values()) if user in group.users]
        identity = [policy for holder in (user, *groups) for policy in _policies(holder)]
        facts = {**self._facts(user.arn, user.id), "aws:username": (user.name,)}
        boundary = getattr(user, "permissions_boundary_arn", None)
        limits, account = self._limits(boundary, None), self._account_names
        return Principal(user.arn, frozenset({user.arn}), "AWS", account, tuple(identity), limits, facts)

    @property
    def _account_names(self) -> frozenset[str]:
        return frozenset({self._account, f"arn:aws:iam::{self._account}:root"})

    def _facts(self, arn: str, number: str) -> dict[str, tuple[str, ...]]:
        return {
            "aws:principalarn": (arn,),
            "aws:principalaccount": (self._account,),
            "aws:userid": (number,),
            "aws:requestedregion": (self._region,),
            "kms:calleraccount": (self._account,),
            **_SECURE,
        }

    def _limits(self, boundary: str | None, session: str | None) -> tuple[tuple[Policy, ...], ...]:
        limits: list[tuple[Policy, ...]] = []
        if boundary:
            known: Any = self._iam.managed_policies.get(boundary)
            limits.append(() if known is None else (_managed(known),))
        if session:
            limits.append((Policy("session", "session", session),))
        return tuple(limits)

    def _assumed(self, key: str) -> Session | None:
        """A session that somebody got from STS, also when its role trusts nobody any more."""
        known: Any = self._sts.get_assumed_role_from_access_key(key)
        if known is None:
            return None
        return Session(
            known.role_arn, known.session_name, key, known.secret_access_key, known.session_token, known.policy
        )

    @property
    def _iam(self) -> Any:
        return iam_backends[self._account]["aws"]

    @property
    def _sts(self) -> Any:
        return sts_backends[self._account]["aws"]


# Loopback has no TLS; policies that demand it are none of the sandbox's business.
_SECURE: Mapping[str, tuple[str, ...]] = {"aws:securetransport": ("true",)}


def _policies(holder: Any) -> tuple[Policy, ...]:
    """The policies of a user, group or role, inline and managed ones."""
    inline = [Policy(holder.arn, name, _text(text)) for name, text in list(holder.policies.items())]
    return (*inline, *map(_managed, _values(holder.managed_policies)))


def _values(managed: Mapping[str, Any]) -> Iterable[Any]:
    return list(managed.values())


def _managed(policy: Any) -> Policy:
    version = next(one for one in policy.versions if one.is_default)
    return Policy(policy.arn, policy.name, _text(version.document))


def _text(document: Any) -> str:
    return document.decode() if isinstance(document, bytes) else str(document)
