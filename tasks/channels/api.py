"""Channels and their notifications over HTTP. An address is written, and never read back."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Nothing, ResourceView, Strict, Text
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.channels import outgoing
from tasks.channels.models import Channel, Notification
from tasks.channels.services import LONGEST, BadChannel

CHANGES = dict.fromkeys(("PUT", "PATCH", "DELETE"), "channels")


class ChannelIn(Strict):
    """`url`: an Apprise address of a service on the list, or of a host that the rule of addresses allows."""

    name = Text(max_length=100)
    url = Text(max_length=LONGEST)


class LastShape(s.Serializer):
    at = s.DateTimeField()
    ok = s.BooleanField()
    said = s.CharField(allow_blank=True)


class ChannelShape(s.Serializer):
    """The newest try is `last`; null: there was none."""

    id = s.UUIDField()
    name = s.CharField()
    service = s.CharField(allow_blank=True)
    last = LastShape(allow_null=True)
    owner = s.CharField(allow_null=True)
    created_at = s.DateTimeField()


class ChannelPage(shapes.Page):
    results = ChannelShape(many=True)


class SendingTry(LastShape):
    seconds = s.FloatField()


class NotificationShape(s.Serializer):
    """`job` sends it; `status` is failed after the last try."""

    id = s.UUIDField()
    channel = s.UUIDField()
    title = s.CharField()
    body = s.CharField(allow_blank=True)
    job = s.UUIDField(allow_null=True)
    status = s.ChoiceField(choices=Notification.Status.values)
    tries = SendingTry(many=True)
    created_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)


class NotificationPage(shapes.Page):
    results = NotificationShape(many=True)


def channel_or_404(uid: UUID) -> Channel:
    found = Channel.objects.select_related("owner").filter(uid=uid).first()
    if found is None:
        raise Problem("not-found", "There is no such channel.")
    return found


def columns(given: dict[str, Any]) -> dict[str, Any]:
    """The columns for a body: the address is asked about, and sealed."""
    named = {name: given[name] for name in ("name",) if name in given}
    if "url" not in given:
        return named
    try:
        return named | outgoing.values_of(given["url"])
    except BadChannel as error:
        raise wrong(url=str(error)) from None


class Channels(ResourceView):
    actions = {"GET": "channels", "POST": "channels"}

    @extend_schema(operation_id="list_channels", parameters=[LIMIT, CURSOR], responses=ChannelPage)
    def get(self, request: Any) -> Response:
        rows = Channel.objects.select_related("owner")
        return pagination.answer(request, "channels", rows, Channel.to_dict, self.asked(*pagination.PARAMETERS))

    @extend_schema(operation_id="create_channel", request=ChannelIn, responses={201: ChannelShape})
    def post(self, request: Any) -> Response:
        """Make a channel. Its address is sealed, and no answer has it."""
        given = self.given(ChannelIn)
        if Channel.objects.count() >= outgoing.MOST:
            raise Problem("conflict", f"There are {outgoing.MOST} channels. Delete one first.")
        values = columns(given)
        made = self.do(
            lambda channel: f"channel {channel.uid}",
            lambda: Channel.objects.create(owner=self.actor.user, **values),
            name=given["name"],
            service=values["service"],
        )
        answer = Response(made.to_dict(), status=201)
        answer["Location"] = request.build_absolute_uri(f"{request.path}{made.uid}/")
        return answer


class OneChannel(ResourceView):
    actions = {"GET": "channels", **CHANGES}

    @extend_schema(operation_id="get_channel", responses=ChannelShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(channel_or_404(uid).to_dict())

    @extend_schema(operation_id="replace_channel", request=ChannelIn, responses=ChannelShape)
    def put(self, request: Any, uid: UUID) -> Response:
        """Replace its name and its address."""
        return self.change(channel_or_404(uid), self.given(ChannelIn))

    @extend_schema(operation_id="change_channel", request=ChannelIn(partial=True), responses=ChannelShape)
    def patch(self, request: Any, uid: UUID) -> Response:
        """Change what is given."""
        return self.change(channel_or_404(uid), self.given(ChannelIn, partial=True))

    def change(self, channel: Channel, given: dict[str, Any]) -> Response:
        values = columns(given)
        for name, value in values.items():
            setattr(channel, name, value)
        self.do(f"channel {channel.uid}", lambda: channel.save(update_fields=[*values]), changed=sorted(given))
        return Response(channel_or_404(channel.uid).to_dict())

    @extend_schema(operation_id="delete_channel", responses={204: None})
    def delete(self, request: Any, uid: UUID) -> Response:
        """Delete a channel with its notifications. Rules no longer name it."""
        self.do(f"channel {uid}", channel_or_404(uid).delete)
        return Response(status=204)


class TryChannel(ResourceView):
    actions = {"POST": "channels"}

    @extend_schema(operation_id="test_channel", request=Nothing, responses={201: NotificationShape})
    def post(self, request: Any, uid: UUID) -> Response:
        """Send a message by a job. The channel's `last` says how it went."""
        self.given(Nothing)
        channel = channel_or_404(uid)
        made = self.do(f"channel {uid}", lambda: outgoing.test(channel, self.actor.name), test=True)
        return Response(made.to_dict(), status=201)


class Notifications(ResourceView):
    actions = {"GET": "channels"}

    @extend_schema(operation_id="list_notifications", parameters=[LIMIT, CURSOR], responses=NotificationPage)
    def get(self, request: Any, uid: UUID) -> Response:
        """What was sent, or will be: the newest first, with its tries."""
        asked = self.asked(*pagination.PARAMETERS)
        rows = Notification.objects.filter(channel=channel_or_404(uid)).select_related("channel")
        return pagination.answer(request, "notifications", rows, Notification.to_dict, asked)


urlpatterns = [
    path("channels/", Channels.as_view(), name="channels"),
    path("channels/<uuid:uid>/", OneChannel.as_view(), name="channel"),
    path("channels/<uuid:uid>/test/", TryChannel.as_view(), name="channel-test"),
    path("channels/<uuid:uid>/notifications/", Notifications.as_view(), name="channel-notifications"),
]
