"""The decision: whether a principal may do something, by IAM's evaluation logic for one account.

Source: IAM's user guide, "Policy evaluation logic": an explicit Deny anywhere wins; a session of a role or a user is
allowed by its identity policies or by the resource's policy, and within every boundary; a service that acts by itself
is allowed by the resource's policy alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from opsctl.sandbox.access.encryption import encryption_of, use_of_key
from opsctl.sandbox.access.needs import Here, needs_of
from opsctl.sandbox.access.principals import Identities, Principal
from opsctl.sandbox.access.record import Record, Source
from opsctl.sandbox.access.resources import has_key, policy_of
from opsctl.sandbox.access.statements import Need, Policy, Question
from opsctl.sandbox.access.storage_needs import Asked, needs_of_storage
from opsctl.sandbox.environment import ACCESS_KEY, SECRET_KEY

FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
logger = logging.getLogger(__name__)


class DeniedError(Exception):
    """Not allowed; the text is AWS's."""


class UnknownKeyError(Exception):
    """Nobody has this access key."""


class Access:
    """Who may do what in one sandbox. Where it is not `enforced`, everybody may do everything."""

    def __init__(self, account: str, region: str, *, enforced: bool) -> None:
        self.enforced = enforced
        self.record = Record()
        self.here = Here(account, region)
        self.identities = Identities(account, region)

    # requests

    def check_request(self, key: str, action: str, given: Mapping[str, Any] | Asked) -> None:
        """Raise DeniedError unless whoever has this key may make this call, UnknownKeyError for nobody's key."""
        if self.identities.is_admin(key):
            return
        who = self.identities.find(key)
        if who is None:
            raise UnknownKeyError(key)
        if action in FREE:
            return
        for need in self._needs(action, given):
            self._demand(who, need)
            if need.action == "sts:AssumeRole":
                self._demand_trust(need.resources[0], who)

    # what the sandbox does itself, for a role or as a service

    def demand(self, role: str, session: str, *needs: Need) -> None:
        """Raise DeniedError unless a session of this role may do all of this."""
        if self.enforced:
            who = self.identities.role(role, session)
            for need in needs:
                self._demand(who, need)

    def may(self, role: str, session: str, *needs: Need) -> bool:
        """Whether a session of this role may do all of this."""
        try:
            self.demand(role, session, *needs)
        except DeniedError:
            return False
        return True

    def demand_key(
        self, role: str, session: str, key: str | None, actions: Iterable[str], service: str, about: dict[str, str]
    ) -> None:
        """Raise DeniedError unless a service may use a key so in this role's name, `about` being the context."""
        if self.enforced and key:
            self.demand(role, session, *(use_of_key(self.here, key, action, service, about) for action in actions))

    def demand_of_service(self, service: str, source: str, need: Need) -> None:
        """Raise DeniedError unless the resource's policy lets this service act, for the source whose ARN is given."""
        if self.enforced:
            self._demand(self.identities.service(service, source), need)

    def trusts(self, role: str, service: str, source: str = "") -> bool:
        """Whether a service may assume a role, by the role's trust policy."""
        if not self.enforced:
            return True
        try:
            self._demand_trust(role, self.identities.service(service, source))
        except DeniedError:
            return False
        return True

    def credentials(self, role: str | None, session: str) -> tuple[str, str, str | None]:
        """Key, secret and token of a role's session; the sandbox's own without a role, or without enforcement."""
        if not self.enforced or role is None:
            return ACCESS_KEY, SECRET_KEY, None
        given = self.identities.session(role, session)
        return given.key, given.secret, given.token

    def variables(self, role: str | None, session: str) -> dict[str, str]:
        """The environment variables that hold a job's credentials; none, if IAM is enforced and it has no role."""
        if self.enforced and role is None:
            return {}
        key, secret, token = self.credentials(role, session)
        own = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        return {**own, "AWS_SESSION_TOKEN": token} if token else own

    # decisions

    def _needs(self, action: str, given: Mapping[str, Any] | Asked) -> list[Need]:
        if isinstance(given, Asked):
            return needs_of_storage(given, lambda bucket, key: has_key(self.here, bucket, key))
        return needs_of(action, given, self.here)

    def _demand(self, who: Principal, need: Need) -> None:
        for one in (need, *encryption_of(self.here, need)):
            if not self._decide(who, one):
                raise _denied(who, one)

    def _demand_trust(self, role: str, who: Principal) -> None:
        policy = self.identities.trust(role)
        need = Need("sts:AssumeRole", (role,))
        found = [] if policy is None else _speaking((policy,), who.asks(need))
        if not found or any(not statement.allows for _, statement in found):
            raise _denied(who, need)
        self.record.note(need.action, found)

    def _decide(self, who: Principal, need: Need) -> bool:
        resource = policy_of(self.here, need.resources[0])
        named = who.asks(need)
        own = _speaking(who.identity, named)
        theirs = _speaking((resource,) if resource else (), named)
        # A resource's policy that names the account leaves it to the account's own policies who may.
        granted = _speaking((resource,) if resource else (), who.asks(need, as_account=False))
        limits = [_speaking(limit, named) for limit in who.limits]
        allowed = [source for source in (*own, *granted) if source[1].allows]
        denied = [
            source for source in (*own, *theirs, *(one for limit in limits for one in limit)) if not source[1].allows
        ]
        gates = [[source for source in limit if source[1].allows] for limit in limits]
        if need.action.startswith("kms:"):  # nobody uses a key whose policy does not say so
            gates.append([source for source in theirs if source[1].allows])
        good = bool(allowed) and all(gates)
        if denied and good:
            self.record.note(need.action, denied)
        if denied or not good:
            return False
        for sources in (allowed, *gates):
            self.record.note(need.action, sources)
        return True


def _denied(who: Principal, need: Need) -> DeniedError:
    """The denial in AWS's words, which the server's log has too."""
    message = f"User: {who.arn} is not authorized to perform: {need.action} on resource: {need.resources[0]}"
    logger.info("%s", message)
    return DeniedError(message)


def _speaking(policies: Iterable[Policy], question: Question) -> list[Source]:
    """The statements of these policies that speak of a question."""
    return [(policy, statement) for policy in policies for statement in policy.statements if statement.fits(question)]
