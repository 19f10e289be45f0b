"""Webhooks and deliveries over HTTP. A secret is in the answer that makes or rotates it, and nowhere else."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Flag, Nothing, Strict, Text, Web, find
from tasks.api.base import ResourceView as View
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem, wrong
from tasks.api.rows import Rows, paths
from tasks.engine import registry
from tasks.engine.models import Job
from tasks.fetch.addresses import BadAddress
from tasks.webhooks import deliveries, outbox
from tasks.webhooks.models import Delivery, Endpoint

MOST = 200  # webhooks: each is asked at every move


class Address(Web):
    def to_internal_value(self, data: Any) -> str:
        try:
            return deliveries.usable_url(super().to_internal_value(data))
        except BadAddress as error:
            raise s.ValidationError([str(error)]) from None


class KindName(Text):
    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in {kind.name for kind in registry.kinds()} and not Job.every.filter(kind=name).exists():
            raise s.ValidationError([f"There is no kind of job named {name!r}."])
        return name


class WebhookIn(Strict):
    """An empty filter lets everything through. `alerts`: by default, whether there are no filters at all.

    `apps` names watched applications, `own` (our own jobs) or `*`; empty: our own jobs.
    """

    url = Address(max_length=2048)
    name = Text(max_length=100, default="", allow_blank=True)
    states = s.ListField(child=s.ChoiceField(choices=Job.OWN), default=list, max_length=20)
    kinds = s.ListField(child=KindName(max_length=200), default=list, max_length=200)
    queues = s.ListField(child=Text(max_length=100), default=list, max_length=200)
    apps = s.ListField(child=shapes.AppName(), default=list, max_length=50)
    alerts = Flag(required=False)
    enabled = Flag(default=True)


class WebhookShape(s.Serializer):
    id = s.UUIDField()
    name = s.CharField(allow_blank=True)
    url = s.CharField()
    states = s.ListField(child=s.ChoiceField(choices=Job.OWN))
    kinds = s.ListField(child=s.CharField())
    queues = s.ListField(child=s.CharField())
    apps = s.ListField(child=s.CharField())
    alerts = s.BooleanField(help_text="gets messages about alerts too")
    enabled = s.BooleanField()
    off_because = s.CharField(allow_null=True)
    failing_since = s.DateTimeField(allow_null=True)
    owner = s.CharField(allow_null=True)
    created_at = s.DateTimeField()


class NewWebhook(WebhookShape):
    """The only answers that have the secret: making and rotating."""

    secret = s.CharField()


class TryShape(s.Serializer):
    number = s.IntegerField()
    at = s.DateTimeField()
    seconds = s.FloatField()
    code = s.IntegerField(allow_null=True, help_text="HTTP status; null: there was no answer")
    error = s.CharField(allow_null=True)
    reply = s.CharField(allow_blank=True, help_text="how the answer began")


class DeliveryShape(s.Serializer):
    """`id` is the `webhook-id` of the message, the same at every try and replay."""

    id = s.UUIDField()
    webhook = s.UUIDField(allow_null=True, help_text="null: a callback_url of one job")
    url = s.CharField()
    event = s.CharField()
    job = s.UUIDField(allow_null=True)
    status = s.ChoiceField(choices=Delivery.Status.values)
    tries = s.IntegerField()
    next_try_at = s.DateTimeField(allow_null=True)
    created_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)
    attempts = TryShape(many=True)


class Secret(s.Serializer):
    secret = s.CharField()


SENT = Delivery.objects.select_related("endpoint")
HOOKS = Endpoint.objects.filter(callbacks_of__isnull=True).select_related("owner")


def hook_or_404(uid: UUID) -> Endpoint:
    return find(HOOKS, "webhook", uid=uid)


class WebhookRows(Rows):
    noun, see, edit = "webhook", "see_webhooks", "change_webhooks"
    rows = HOOKS
    shape, new_shape, bodies = WebhookShape, NewWebhook, {"POST": WebhookIn}
    descriptions = {
        "post": "Make a webhook. The answer has its secret, this once.",
        "put": "Replace it: what is left out is as in a new webhook. Its secret and its deliveries stay.",
        "patch": "Change what is given. Switching off drops what waits; switching on forgets the failures.",
        "delete": "Delete a webhook with its deliveries.",
    }

    def clean(self, given: dict[str, Any], hook: Endpoint | None = None) -> dict[str, Any]:
        """What names no filters is sent alerts too, unless the body says otherwise."""
        if hook is None and HOOKS.count() >= MOST:
            raise Problem("conflict", f"There are {MOST} webhooks. Delete one first.")
        if self.request.method == "PATCH":
            return given
        return {"alerts": not (given["states"] or given["kinds"] or given["queues"])} | given

    def write(self, hook: Endpoint | None, given: dict[str, Any]) -> Endpoint:
        if hook is None:
            self.secret = outbox.make_secret()
            return Endpoint.objects.create(owner=self.actor.user, secret=outbox.seal_secret(self.secret), **given)
        with transaction.atomic():
            if "enabled" in given:
                deliveries.switch(hook, given["enabled"], "" if given["enabled"] else "Switched off by hand.")
            for name, value in given.items():
                setattr(hook, name, value)
            hook.save(update_fields=[*given, "hears_running", "hears_succeeded"])
        return hook

    def detail(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"host": urlsplit(given["url"]).netloc}

    def show_new(self, hook: Endpoint) -> dict[str, Any]:
        return hook.to_dict() | {"secret": self.secret}


class RotateSecret(View):
    actions = {"POST": "change_webhooks"}

    @extend_schema(operation_id="rotate_webhook", request=Nothing, responses=NewWebhook)
    def post(self, request: Any, uid: UUID) -> Response:
        """A new secret, in this answer alone. For a day the old one signs as well."""
        self.given(Nothing)
        hook = hook_or_404(uid)
        secret = self.do(f"webhook {uid}", lambda: deliveries.rotate(hook), rotated=True)
        return Response(hook.to_dict() | {"secret": secret})


class TryWebhook(View):
    actions = {"POST": "change_webhooks"}

    @extend_schema(operation_id="test_webhook", request=Nothing, responses={201: DeliveryShape})
    def post(self, request: Any, uid: UUID) -> Response:
        """Send a `webhook.test` message."""
        self.given(Nothing)
        hook = hook_or_404(uid)
        if not hook.enabled:
            raise Problem("conflict", "The webhook is switched off.")
        made = self.do(f"webhook {uid}", lambda: outbox.queue_test_delivery(hook), test=True)
        return Response(made.to_dict(), status=201)


class Deliveries(View):
    actions = {"GET": "see_webhooks"}

    @extend_schema(
        operation_id="list_deliveries",
        parameters=[OpenApiParameter("status", str, enum=Delivery.Status.values), LIMIT, CURSOR],
        responses=shapes.page(DeliveryShape),
    )
    def get(self, request: Any, uid: UUID) -> Response:
        """What was sent, or will be: the newest first, with its attempts."""
        asked = self.asked("status", *pagination.PARAMETERS)
        rows = SENT.filter(endpoint=hook_or_404(uid))
        if "status" in asked:
            if asked["status"][-1] not in Delivery.Status.values:
                raise wrong(status=f"Choose one of: {', '.join(Delivery.Status.values)}.")
            rows = rows.filter(status=asked["status"][-1])
        return pagination.answer(request, "deliveries", rows.prefetch_related("attempts"), Delivery.to_dict, asked)


class OneDelivery(View):
    actions = {"GET": "see_webhooks"}

    @extend_schema(operation_id="get_delivery", responses=DeliveryShape)
    def get(self, request: Any, uid: UUID) -> Response:
        self.asked()
        return Response(find(SENT, "delivery", uid=uid).to_dict())


class Replay(View):
    actions = {"POST": "replay"}

    @extend_schema(operation_id="replay_delivery", request=Nothing, responses=DeliveryShape)
    def post(self, request: Any, uid: UUID) -> Response:
        """Send it again, now, under the same id."""
        self.given(Nothing)
        find(SENT, "delivery", uid=uid)
        return Response(self.do(f"delivery {uid}", lambda: deliveries.replay(uid)).to_dict())


class CallbackSecret(View):
    actions = {"POST": "callback_secret"}

    @extend_schema(operation_id="make_callback_secret", request=Nothing, responses={201: Secret})
    def post(self, request: Any) -> Response:
        """A new secret for callbacks of one's own jobs, in this answer alone. For a day the old one signs as well."""
        self.given(Nothing)
        owner = self.actor.user
        secret = self.do(
            f"callback secret of {self.actor.name}", lambda: deliveries.rotate(outbox.callbacks_of(owner.pk))
        )
        return Response({"secret": secret}, status=201)


urlpatterns = [
    *paths(WebhookRows, "webhooks/"),
    path("webhooks/<uuid:uid>/rotate/", RotateSecret.as_view(), name="webhook-rotate"),
    path("webhooks/<uuid:uid>/test/", TryWebhook.as_view(), name="webhook-test"),
    path("webhooks/<uuid:uid>/deliveries/", Deliveries.as_view(), name="webhook-deliveries"),
    path("deliveries/<uuid:uid>/", OneDelivery.as_view(), name="delivery"),
    path("deliveries/<uuid:uid>/replay/", Replay.as_view(), name="delivery-replay"),
    path("callback-secret/", CallbackSecret.as_view(), name="callback-secret"),
]
