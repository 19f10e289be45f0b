"""Tokens of one's own. The token itself is in the answer that makes it, and nowhere else."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access.models import Entry, Scope, Token
from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, Whole
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem


class TokenIn(Strict):
    """`days`: how long it lives; without it, until it is taken back."""

    scope = serializers.ChoiceField(choices=Scope.values)
    name = Text(max_length=100, required=False, allow_blank=True)
    days = Whole(min_value=1, max_value=3650, required=False, allow_null=True)


urlpatterns = Operations()


def own(view: ResourceView) -> QuerySet[Token]:
    return Token.objects.filter(user=view.actor.user)


@urlpatterns.get(
    "audit/", "audit", shapes.page(shapes.EntryShape), OpenApiParameter("who", str), OpenApiParameter("action", str),
    LIMIT, CURSOR, name="audit",
)  # fmt: skip
def list_audit(view: ResourceView, asked: dict[str, list[str]]) -> Response:
    """Who did, or was refused, what: the newest first. Nobody can change it."""
    rows = Entry.objects.filter(**{name: asked[name][-1] for name in ("who", "action") if name in asked})
    return pagination.answer(view.request, "audit", rows, Entry.to_dict, asked)


@urlpatterns.get("tokens/", "see_tokens", shapes.page(shapes.TokenShape), LIMIT, CURSOR, name="tokens")
def list_tokens(view: ResourceView, asked: dict[str, list[str]]) -> Response:
    return pagination.answer(view.request, "tokens", own(view), Token.to_dict, asked, key="uid")


@urlpatterns.post("tokens/", "change_tokens", {201: shapes.NewToken}, TokenIn, name="tokens")
def create_token(view: ResourceView, given: dict[str, Any]) -> dict[str, Any]:
    """Make a token. One made with another token lives no longer than that one, and goes when it goes."""
    user, rest = view.actor.user, {"name": given.get("name", ""), "days": given.get("days")}
    if sentence := Token.objects.no_room(user):
        raise Problem("conflict", sentence)
    token, text = view.do(
        lambda made: f"token {made[0].uid}",
        lambda: Token.objects.make(user, given["scope"], **rest, made_by=view.actor.token),
        scope=given["scope"],
    )
    return token.to_dict() | {"token": text}


@urlpatterns.delete("tokens/", "change_tokens", name="tokens")
def revoke_all_tokens(view: ResourceView, given: dict[str, Any]) -> None:
    """Take all of one's tokens back; the one in hand too. Open sockets close."""
    view.do(f"all tokens of {view.actor.name}", lambda: own(view).delete())


@urlpatterns.delete("tokens/<uuid:uid>/", "change_tokens", name="token")
def revoke_token(view: ResourceView, given: dict[str, Any], uid: UUID) -> None:
    """Take a token back, and those that were made with it. Open sockets close."""
    if not own(view).filter(uid=uid).exists():
        raise Problem("not-found", "You have no such token.")
    view.do(f"token {uid}", own(view).filter(uid=uid).delete)
