"""Webhooks and deliveries over HTTP. A secret is in the answer that makes or rotates it, and nowhere else."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Flag, ResourceView, Strict, Text, Web, find
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem
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


urlpatterns = Operations(*paths(WebhookRows, "webhooks/"))


@urlpatterns.post("webhooks/<uuid:uid>/rotate/", "change_webhooks", NewWebhook, name="webhook-rotate")
def rotate_webhook(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """A new secret, in this answer alone. For a day the old one signs as well."""
    hook = hook_or_404(uid)
    secret = view.do(f"webhook {uid}", lambda: deliveries.rotate(hook), rotated=True)
    return hook.to_dict() | {"secret": secret}


@urlpatterns.post("webhooks/<uuid:uid>/test/", "change_webhooks", {201: DeliveryShape}, name="webhook-test")
def test_webhook(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Send a `webhook.test` message."""
    hook = hook_or_404(uid)
    if not hook.enabled:
        raise Problem("conflict", "The webhook is switched off.")
    return view.do(f"webhook {uid}", lambda: outbox.queue_test_delivery(hook), test=True).to_dict()


@urlpatterns.get(
    "webhooks/<uuid:uid>/deliveries/", "see_webhooks", shapes.page(DeliveryShape),
    OpenApiParameter("status", str, enum=Delivery.Status.values), LIMIT, CURSOR, name="webhook-deliveries",
)  # fmt: skip
def list_deliveries(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> Response:
    """What was sent, or will be: the newest first, with its attempts."""
    rows = SENT.filter(endpoint=hook_or_404(uid))
    if "status" in asked:
        rows = rows.filter(status=asked["status"][-1])
    return pagination.answer(view.request, "deliveries", rows.prefetch_related("attempts"), Delivery.to_dict, asked)


@urlpatterns.get("deliveries/<uuid:uid>/", "see_webhooks", DeliveryShape, name="delivery")
def get_delivery(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> dict[str, Any]:
    return find(SENT, "delivery", uid=uid).to_dict()


@urlpatterns.post("deliveries/<uuid:uid>/replay/", "replay", DeliveryShape, name="delivery-replay")
def replay_delivery(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Send it again, now, under the same id."""
    find(SENT, "delivery", uid=uid)
    return view.do(f"delivery {uid}", lambda: deliveries.replay(uid)).to_dict()


@urlpatterns.post("callback-secret/", "callback_secret", {201: Secret}, name="callback-secret")
def make_callback_secret(view: ResourceView, given: dict[str, Any]) -> dict[str, Any]:
    """A new secret for callbacks of one's own jobs, in this answer alone. For a day the old one signs as well."""
    owner = view.actor.user
    secret = view.do(f"callback secret of {view.actor.name}", lambda: deliveries.rotate(outbox.callbacks_of(owner.pk)))
    return {"secret": secret}
