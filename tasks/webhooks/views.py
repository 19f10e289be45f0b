"""The pages of webhooks: endpoints, and the log of deliveries. Each action is a POST with a view of its own."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.generic import CreateView, DeleteView, DetailView, ListView, TemplateView, UpdateView, View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.engine.errors import Refused
from tasks.web.pages import Allowed, PageContext, uid_or_404
from tasks.web.shown_once import show_once, shown_once
from tasks.webhooks import deliveries, outbox
from tasks.webhooks.forms import HookForm
from tasks.webhooks.models import Delivery, Endpoint

PAGE = 30  # deliveries


def log_of(rows: QuerySet[Delivery], before: str) -> dict[str, Any]:
    """A page of deliveries, the newest first, with their attempts."""
    rows = rows.select_related("endpoint").prefetch_related("attempts").order_by("-id")
    if before:
        rows = rows.filter(id__lt=get_object_or_404(Delivery, uid=uid_or_404(before)).pk)
    found = list(rows[: PAGE + 1])
    more = f"before={found[PAGE - 1].uid}" if len(found) > PAGE else ""
    return {"deliveries": found[:PAGE], "more": more}


class HookPage(PageContext):
    here = "webhooks"
    action = "see_webhooks"
    model = Endpoint
    slug_field = slug_url_kwarg = "uid"

    def get_queryset(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(callbacks_of__isnull=True).select_related("owner").order_by("-id")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(
            may_change=may(user, "change_webhooks"), may_replay=may(user, "replay"), **context
        )


class HookList(HookPage, ListView):
    template_name = "webhooks/list.html"


class HookDetail(HookPage, DetailView):
    template_name = "webhooks/webhook.html"

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        return never_cache(super().as_view(**options))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        log = log_of(self.object.deliveries.all(), self.request.GET.get("before", ""))
        return super().get_context_data(secret=shown_once(self.request, str(self.object.uid)), **log, **context)


class Callbacks(HookPage, TemplateView):
    """What was sent to the callback addresses of single jobs, and one's own secret for them."""

    template_name = "webhooks/callbacks.html"

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        return never_cache(super().as_view(**options))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        rows = Delivery.objects.filter(endpoint__callbacks_of__isnull=False)
        log = log_of(rows, self.request.GET.get("before", ""))
        return super().get_context_data(secret=shown_once(self.request, "callbacks"), **log, **context)


class HookForms(HookPage):
    action = "change_webhooks"
    template_name = "webhooks/form.html"
    form_class = HookForm

    def get_success_url(self) -> str:
        return reverse("webhook", args=[self.object.uid])


class HookCreate(HookForms, CreateView):
    extra_context = {"heading": "Add a webhook", "button": "Add it"}

    def form_valid(self, form: HookForm) -> HttpResponse:
        secret = outbox.make_secret()
        form.instance.owner, form.instance.secret = self.request.user, outbox.seal_secret(secret)
        self.object = audit.do(self.request, self.action, lambda hook: f"webhook {hook.uid}", form.save)
        show_once(self.request, str(self.object.uid), secret)
        return redirect(self.get_success_url())


class HookUpdate(HookForms, UpdateView):
    extra_context = {"heading": "Change the webhook", "button": "Change it"}

    def form_valid(self, form: HookForm) -> HttpResponse:
        audit.do(self.request, self.action, f"webhook {self.object.uid}", form.save, changed=form.changed_data)
        return redirect(self.get_success_url())


class HookDelete(HookForms, DeleteView):
    template_name = "webhooks/delete.html"
    form_class = None

    def get_form_class(self) -> Any:
        return DeleteView.form_class

    def form_valid(self, form: Any) -> HttpResponse:
        audit.do(self.request, self.action, f"webhook {self.object.uid}", self.object.delete)
        messages.info(self.request, f"The webhook {self.object} was deleted.")
        return redirect("webhooks")


class HookDeed(Allowed, View):
    """Something done to one webhook."""

    action = "change_webhooks"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        hook = get_object_or_404(Endpoint, uid=uid, callbacks_of=None)
        said = audit.do(request, self.action, f"webhook {uid}", lambda: self.do(hook), change=type(self).__name__)
        messages.info(request, said)
        return redirect("webhook", uid)

    def do(self, hook: Endpoint) -> str:
        raise NotImplementedError


class Rotate(HookDeed):
    def do(self, hook: Endpoint) -> str:
        show_once(self.request, str(hook.uid), deliveries.rotate(hook))
        return "The secret was changed. The old one also signs for 24 h."


class Switch(HookDeed):
    def do(self, hook: Endpoint) -> str:
        on = self.request.POST.get("on") == "yes"
        deliveries.switch(hook, on, "" if on else "Switched off by hand.")
        return "The webhook is on." if on else "The webhook is off. Pending deliveries were dropped."


class SendTest(HookDeed):
    def do(self, hook: Endpoint) -> str:
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
