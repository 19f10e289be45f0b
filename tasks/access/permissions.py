"""Permissions: the table RULES, which pages, API, socket and tests read. Deny by default.

A role comes from the user's groups, a scope from the API token. An action needs both. Knows no URLs.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from django.contrib.auth.backends import BaseBackend
from django.db.models import QuerySet, prefetch_related_objects

from tasks.access.models import Scope, Token
from tasks.engine import registry
from tasks.engine.models import Job
from tasks.engine.registry import Kind

NO, OWN, YES = "no", "own", "yes"  # OWN: one's own jobs only
ANONYMOUS, NOBODY = "anonymous", "nobody"  # not logged in; logged in without a role
ROLES = ("viewer", "operator", "admin")  # names of groups, the weaker first; a superuser is an admin


class Grant(NamedTuple):
    """A row of the table: what each role and each token scope allows. Anonymous and nobody may do nothing."""

    viewer: str
    operator: str
    admin: str
    read: str
    submit: str
    manage: str


# action                        viewer operator admin | tokens: read submit manage
RULES = {
    "page": Grant(               YES,   YES,     YES,            NO,  NO,    NO),
    "live": Grant(               YES,   YES,     YES,            YES, OWN,   YES),
    "board": Grant(              YES,   YES,     YES,            YES, NO,    YES),  # also queues, workers, statistics
    "see": Grant(                YES,   YES,     YES,            YES, OWN,   YES),  # jobs
    "kinds": Grant(              YES,   YES,     YES,            YES, YES,   YES),
    "submit": Grant(             NO,    YES,     YES,            NO,  YES,   YES),
    "chores": Grant(             NO,    NO,      YES,            NO,  NO,    YES),  # kinds that serve Signalbox itself
    "order": Grant(              NO,    YES,     YES,            NO,  YES,   YES),  # priority and due time
    "cancel": Grant(             NO,    YES,     YES,            NO,  OWN,   YES),
    "retry": Grant(              NO,    YES,     YES,            NO,  OWN,   YES),
    "take_back": Grant(          NO,    YES,     YES,            NO,  OWN,   YES),  # a cancel
    "share": Grant(              NO,    YES,     YES,            NO,  OWN,   YES),
    "bulk": Grant(               NO,    YES,     YES,            NO,  NO,    YES),
    "pause": Grant(              NO,    YES,     YES,            NO,  NO,    YES),  # and resume
    "run_schedule": Grant(       NO,    YES,     YES,            NO,  NO,    YES),
    "replay": Grant(             NO,    YES,     YES,            NO,  NO,    YES),
    "see_schedules": Grant(      YES,   YES,     YES,            YES, NO,    YES),
    "change_schedules": Grant(   NO,    NO,      YES,            NO,  NO,    YES),
    "see_webhooks": Grant(       NO,    YES,     YES,            NO,  NO,    YES),
    "change_webhooks": Grant(    NO,    NO,      YES,            NO,  NO,    YES),
    "channels": Grant(           NO,    NO,      YES,            NO,  NO,    YES),  # where alerts go, and what was sent
    "callback_secret": Grant(    NO,    YES,     YES,            NO,  NO,    YES),  # a new one, for one's own callbacks
    "see_rows": Grant(           YES,   YES,     YES,            YES, NO,    YES),  # feeds, alerts, failures …
    "change_rows": Grant(        NO,    YES,     YES,            NO,  NO,    YES),
    "see_tokens": Grant(         YES,   YES,     YES,            YES, NO,    YES),  # one's own, never the token itself
    "change_tokens": Grant(      YES,   YES,     YES,            NO,  NO,    YES),  # a token makes no stronger one
    "audit": Grant(              NO,    NO,      YES,            NO,  NO,    NO),
    "people": Grant(             NO,    NO,      YES,            NO,  NO,    NO),  # users, roles, Django's admin
    "steer": Grant(              NO,    NO,      YES,            NO,  NO,    YES),  # workers of watched applications
    "purge": Grant(              NO,    NO,      YES,            NO,  NO,    YES),  # their queues
    "metrics": Grant(            NO,    NO,      YES,            YES, NO,    YES),  # and the details of /readyz
}  # fmt: skip

ELSEWHERE = {
    "bulk_action",
    "match_part",
    "send_notification",
    "collect_results",
}  # asked for where one sees what they would act on


@dataclass(frozen=True)
class Actor:
    """Who asks: a user or None, the user's role now, the API token or None, and the request or None."""

    user: Any
    role: str
    token: Token | None = None
    request: Any = field(default=None, compare=False, repr=False)

    @property
    def scope(self) -> str | None:
        return self.token and self.token.scope

    @property
    def name(self) -> str:
        return self.user.get_username() if self.user else ""

    @property
    def is_anonymous(self) -> bool:
        return self.role == ANONYMOUS

    @classmethod
    def of(cls, who: Any) -> Self:
        """The actor behind a request, a token, a user or None."""
        if isinstance(who, cls):
            return who
        if isinstance(who, Token):
            return cls(who.user, role_of(who.user), who)
        if hasattr(who, "META"):
            token = getattr(who, "auth", None)
            return replace(cls.of(token if isinstance(token, Token) else who.user), request=who)
        role = role_of(who)
        return cls(None if role == ANONYMOUS else who, role)

    @classmethod
    def at_shell(cls, user: Any = None) -> Self:
        """Whoever may run commands on the machine may do what an admin may; what they make belongs to ``user``."""
        return cls(user, "admin")


def role_of(user: Any) -> str:
    """The strongest role of a user, as the groups say it now; one who may not log in is nobody."""
    if user is None or not user.is_authenticated:
        return ANONYMOUS
    if not user.is_active:
        return NOBODY
    if user.is_superuser:
        return "admin"
    if "groups" not in getattr(user, "_prefetched_objects_cache", ()):
        prefetch_related_objects([user], "groups")
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(ROLES) if role in names), NOBODY)


def grant(who: Any, action: str) -> str:
    """YES, OWN or NO: the lesser of what the role and the token's scope allow. KeyError: no such action."""
    actor, rule = Actor.of(who), RULES[action]
    by_role = getattr(rule, actor.role) if actor.role in ROLES else NO
    by_scope = YES if actor.token is None else getattr(rule, Scope(actor.scope))
    return min(by_role, by_scope, key=(NO, OWN, YES).index)


def may(who: Any, action: str, job: Job | None = None) -> bool:
    """Whether ``who`` (request, user, token or Actor) may do it, to this job; without a job: to any at all."""
    granted = grant(who, action)
    if granted == OWN and job is not None:
        return job.owner_id is not None and job.owner_id == Actor.of(who).user.pk
    return granted != NO


def visible(who: Any, jobs: QuerySet[Job], action: str = "see") -> QuerySet[Job]:
    """Filter ``jobs`` to those that ``who`` may see, or may do ``action`` to."""
    granted = grant(who, action)
    if granted == NO:
        return jobs.none()
    return jobs if granted == YES else jobs.filter(owner=Actor.of(who).user)


def may_submit(who: Any, kind: Kind) -> bool:
    """Whether ``who`` may submit jobs of that kind: one that is open to people, and that they may make run."""
    return kind.open and may_make_run(who, kind)


def may_make_run(who: Any, kind: Kind) -> bool:
    """Whether ``who`` may let jobs of that kind run again. Bulk actions and chores need rights of their own."""
    action = {"bulk_action": "bulk"}.get(kind.name, "chores" if kind.quiet else "submit")
    return may(who, "submit") and may(who, action)


def submittable_kinds(user: Any) -> list[Kind]:
    """The kinds that this person may submit by a form, chores last."""
    kinds = [kind for kind in registry.kinds() if kind.name not in ELSEWHERE and may_submit(user, kind)]
    return sorted(kinds, key=lambda kind: kind.quiet)


class AdminsAreAdmins(BaseBackend):
    """Gives users with the role admin all permissions in Django's admin, and everybody else none."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return role_of(user_obj) == "admin"

    has_module_perms = has_perm
