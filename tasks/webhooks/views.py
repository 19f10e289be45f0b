"""The pages of webhooks: endpoints, and the log of deliveries. Each action is a POST with a view of its own."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import DetailView, ListView, TemplateView, View

from tasks.access import audit
from tasks.engine.errors import Refused
from tasks.web.pages import Allowed
from tasks.web.rows import ChangeRow, DeleteRow, NewRow, RowAction, RowPage, newest
from tasks.web.shown_once import show_once, shown_once
from tasks.webhooks import deliveries, outbox
from tasks.webhooks.forms import HookForm
from tasks.webhooks.models import Delivery, Endpoint

PAGE = 30  # deliveries


def log_of(request: HttpRequest, rows: QuerySet[Delivery]) -> dict[str, Any]:
    """A page of deliveries, the newest first, with their attempts."""
    found, more = newest(request, rows.select_related("endpoint").prefetch_related("attempts"), PAGE)
    return {"deliveries": found, "more": more}


class HookPage(RowPage):
    here, noun = "webhooks", "webhook"
    action = "see_webhooks"
    rights = {"may_change": "change_webhooks", "may_replay": "replay"}
    model = Endpoint

    def get_queryset(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(callbacks_of__isnull=True).select_related("owner").order_by("-id")


class HookList(HookPage, ListView):
    template_name = "webhooks/list.html"


@method_decorator(never_cache, "dispatch")
class HookDetail(HookPage, DetailView):
    template_name = "webhooks/webhook.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        log = log_of(self.request, self.object.deliveries.all())
        return super().get_context_data(secret=shown_once(self.request, str(self.object.uid)), **log, **context)


@method_decorator(never_cache, "dispatch")
class Callbacks(HookPage, TemplateView):
    """What was sent to the callback addresses of single jobs, and one's own secret for them."""

    template_name = "webhooks/callbacks.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        log = log_of(self.request, Delivery.objects.filter(endpoint__callbacks_of__isnull=False))
        return super().get_context_data(secret=shown_once(self.request, "callbacks"), **log, **context)


class HookCreate(HookPage, NewRow):
    action = "change_webhooks"
    form_class = HookForm
    extra_context = {"heading": "Add a webhook", "button": "Add it"}

    def form_valid(self, form: HookForm) -> HttpResponse:
        secret = outbox.make_secret()
        form.instance.owner, form.instance.secret = self.request.user, outbox.seal_secret(secret)
        answer = super().form_valid(form)
        show_once(self.request, str(self.object.uid), secret)
        return answer


class HookUpdate(HookPage, ChangeRow):
    action = "change_webhooks"
    form_class = HookForm
    extra_context = {"heading": "Change the webhook", "button": "Save"}


class HookDelete(HookPage, DeleteRow):
    action = "change_webhooks"

    @property
    def warning(self) -> str:
        return f"Nothing more is sent to {self.object.url}, and its delivery log is deleted too."


class HookAction(RowAction):
    noun = "webhook"
    action = "change_webhooks"
    rows = Endpoint.objects.filter(callbacks_of=None)

    def do(self, hook: Endpoint) -> str:
        return self.audited(lambda: self.change(hook), hook, change=type(self).__name__)

    def change(self, hook: Endpoint) -> str:
        raise NotImplementedError


class Rotate(HookAction):
    def change(self, hook: Endpoint) -> str:
        show_once(self.request, str(hook.uid), deliveries.rotate(hook))
        return "The secret was changed. The old one also signs for 24 h."


class Switch(HookAction):
    def change(self, hook: Endpoint) -> str:
        on = self.request.POST.get("on") == "yes"
        deliveries.switch(hook, on, "" if on else "Switched off by hand.")
        return "The webhook is on." if on else "The webhook is off. Pending deliveries were dropped."


class SendTest(HookAction):
    def change(self, hook: Endpoint) -> str:
        if not hook.enabled:
            return "The webhook is off. Nothing was sent."
        outbox.queue_test_delivery(hook)
        return "Test message sent."


class OwnSecret(Allowed, View):
    """A new secret for the callbacks of one's own jobs."""

    action = "callback_secret"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        target = f"callback secret of {request.user.get_username()}"
        secret = audit.do(request, self.action, target, lambda: deliveries.rotate(outbox.callbacks_of(request.user.pk)))
        show_once(request, "callbacks", secret)
        return redirect("webhook-callbacks")


class ReplayView(Allowed, View):
    action = "replay"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        row = Delivery.objects.select_related("endpoint").filter(uid=uid).first()
        if row is None:
            raise Http404("There is no such delivery.")
        try:
            audit.do(request, self.action, f"delivery {uid}", lambda: deliveries.replay(uid))
            messages.info(request, "Sending again with the same id.")
        except Refused as no:
            messages.error(request, str(no))
        return redirect("webhook-callbacks") if row.endpoint.callbacks_of else redirect("webhook", row.endpoint.uid)
