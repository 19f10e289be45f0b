"""Tokens of one's own. The token itself is in the answer that makes it, and nowhere else."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access.models import Entry, Scope, Token
from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, Whole
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem


class TokenIn(Strict):
    """`days`: how long it lives; without it, until it is taken back."""

    scope = serializers.ChoiceField(choices=Scope.values)
    name = Text(max_length=100, required=False, allow_blank=True)
    days = Whole(min_value=1, max_value=3650, required=False, allow_null=True)


class Tokens(ResourceView):
    actions = {"GET": "see_tokens", "POST": "change_tokens", "DELETE": "change_tokens"}

    @extend_schema(operation_id="list_tokens", parameters=[LIMIT, CURSOR], responses=shapes.page(shapes.TokenShape))
    def get(self, request: Any) -> Response:
        asked = self.asked(*pagination.PARAMETERS)
        return pagination.answer(request, "tokens", self._own(), Token.to_dict, asked, key="uid")

    @extend_schema(operation_id="create_token", request=TokenIn, responses={201: shapes.NewToken})
    def post(self, request: Any) -> Response:
        """Make a token. One made with another token lives no longer than that one, and goes when it goes."""
        given = self.given(TokenIn)
        if sentence := Token.objects.no_room(self.actor.user):
            raise Problem("conflict", sentence)
        token, text = self.do(
            lambda made: f"token {made[0].uid}",
            lambda: Token.objects.make(
                self.actor.user,
                given["scope"],
                name=given.get("name", ""),
                days=given.get("days"),
                made_by=self.actor.token,
            ),
            scope=given["scope"],
        )
        return Response(token.to_dict() | {"token": text}, status=201)

    @extend_schema(operation_id="revoke_all_tokens", responses={204: None})
    def delete(self, request: Any) -> Response:
        """Take all of one's tokens back; the one in hand too. Open sockets close."""
        self.do(f"all tokens of {self.actor.name}", lambda: self._own().delete())
        return Response(status=204)

    def _own(self) -> Any:
        return Token.objects.filter(user=self.actor.user)


class OneToken(ResourceView):
    actions = {"DELETE": "change_tokens"}

    @extend_schema(operation_id="revoke_token", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Take a token back, and those that were made with it. Open sockets close."""
        own = Token.objects.filter(user=self.actor.user, uid=uid)
        if not own.exists():
            raise Problem("not-found", "You have no such token.")
        self.do(f"token {uid}", own.delete)
        return Response(status=204)


class AuditTrail(ResourceView):
    actions = {"GET": "audit"}

    @extend_schema(
        operation_id="list_audit",
        parameters=[OpenApiParameter("who", str), OpenApiParameter("action", str), LIMIT, CURSOR],
        responses=shapes.page(shapes.EntryShape),
    )
    def get(self, request: Any) -> Response:
        """Who did, or was refused, what: the newest first. Nobody can change it."""
        asked = self.asked("who", "action", *pagination.PARAMETERS)
        rows = Entry.objects.filter(**{name: asked[name][-1] for name in ("who", "action") if name in asked})
        return pagination.answer(request, "audit", rows, Entry.to_dict, asked)


urlpatterns = [
    path("audit/", AuditTrail.as_view(), name="audit"),
    path("tokens/", Tokens.as_view(), name="tokens"),
    path("tokens/<uuid:uid>/", OneToken.as_view(), name="token"),
]
