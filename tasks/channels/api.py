"""Channels and their notifications over HTTP. An address is written, and never read back."""

from typing import Any
from uuid import UUID

from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, find
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.api.rows import Rows, paths
from tasks.channels import outgoing
from tasks.channels.models import Channel, Notification
from tasks.channels.services import LONGEST, BadChannel


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


class ChannelRows(Rows):
    noun, see, edit = "channel", "channels", "channels"
    rows = Channel.objects.select_related("owner")
    shape, bodies = ChannelShape, {"POST": ChannelIn}
    descriptions = {
        "post": "Make a channel. Its address is sealed, and no answer has it.",
        "put": "Replace its name and its address.",
        "delete": "Delete a channel with its notifications. Rules no longer name it.",
    }

    def clean(self, given: dict[str, Any], channel: Channel | None = None) -> dict[str, Any]:
        """The columns for a body: the address is asked about, and sealed."""
        if channel is None and Channel.objects.count() >= outgoing.MOST:
            raise Problem("conflict", f"There are {outgoing.MOST} channels. Delete one first.")
        named = {name: given[name] for name in ("name",) if name in given}
        if "url" not in given:
            return named
        try:
            return named | outgoing.values_of(given["url"])
        except BadChannel as error:
            raise wrong(url=str(error)) from None

    def write(self, channel: Channel | None, values: dict[str, Any]) -> Channel:
        if channel is None:
            return Channel.objects.create(owner=self.actor.user, **values)
        for name, value in values.items():
            setattr(channel, name, value)
        channel.save(update_fields=[*values])
        return channel

    def detail(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"name": values["name"], "service": values["service"]}


urlpatterns = Operations(*paths(ChannelRows, "channels/"))


@urlpatterns.post("channels/<uuid:uid>/test/", "channels", {201: NotificationShape}, name="channel-test")
def test_channel(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Send a message by a job. The channel's `last` says how it went."""
    channel = find(Channel.objects.all(), "channel", uid=uid)
    return view.do(f"channel {uid}", lambda: outgoing.test(channel, view.actor.name), test=True).to_dict()


@urlpatterns.get(
    "channels/<uuid:uid>/notifications/", "channels", shapes.page(NotificationShape), LIMIT, CURSOR,
    name="channel-notifications",
)  # fmt: skip
def list_notifications(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> Response:
    """What was sent, or will be: the newest first, with its tries."""
    channel = find(Channel.objects.all(), "channel", uid=uid)
    rows = Notification.objects.filter(channel=channel).select_related("channel")
    return pagination.answer(view.request, "notifications", rows, Notification.to_dict, asked)
