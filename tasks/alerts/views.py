"""The page of alerts: what is wrong now, what was, and the rules. Each action is a POST with a view of its own."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.generic import CreateView, UpdateView, View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.alerts import evaluate, rules
from tasks.alerts.forms import RuleForm
from tasks.alerts.models import Alert, Rule
from tasks.web.pages import Allowed, Page, PageContext, uid_or_404

PAGE = 50


class AlertsPage(Page):
    template_name = "alerts/alerts.html"
    here = "alerts"
    action = "see_rows"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        past = Alert.objects.exclude(closed_at=None).order_by("-id")
        if before := self.request.GET.get("before"):
            past = past.filter(id__lt=get_object_or_404(Alert, uid=uid_or_404(before)).pk)
        found = list(past[: PAGE + 1])
        return super().get_context_data(
            now=Alert.objects.filter(closed_at=None).order_by("opened_at", "id")[: evaluate.SHOWN],
            past=found[:PAGE],
            more=f"before={found[PAGE - 1].uid}" if len(found) > PAGE else "",
            rules=Rule.objects.order_by("id").prefetch_related("channels"),
            moment=timezone.now(),
            may_change=may(self.request.user, "change_rows"),
            **context,
        )


class RuleForms(PageContext):
    here = "alerts"
    action = "change_rows"
    template_name = "alerts/form.html"
    form_class = RuleForm
    success_url = reverse_lazy("alerts")
    slug_field = slug_url_kwarg = "uid"

    def get_queryset(self) -> QuerySet[Rule]:
        return Rule.objects.all()

    def form_valid(self, form: RuleForm) -> HttpResponse:
        form.instance.owner = form.instance.owner or self.request.user
        audit.do(self.request, self.action, lambda rule: f"alert rule {rule.uid}", form.save)
        return redirect("alerts")


class RuleCreate(RuleForms, CreateView):
    extra_context = {"heading": "Add a rule", "button": "Add rule"}


class RuleUpdate(RuleForms, UpdateView):
    extra_context = {"heading": "Change the rule", "button": "Save"}


class RuleDelete(Allowed, View):
    action = "change_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        rule = get_object_or_404(Rule, uid=uid)
        audit.do(request, self.action, f"alert rule {uid}", rule.delete)
        messages.info(request, f"The rule was deleted: {rule}.")
        return redirect("alerts")


class RuleMute(Allowed, View):
    """Messages of a rule are sent, or are not; its alerts open all the same."""

    action = "change_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        rule, muted = get_object_or_404(Rule, uid=uid), request.POST.get("on") != "no"
        audit.do(request, self.action, f"alert rule {uid}", lambda: rules.write(rule, {"muted": muted}), muted=muted)
        return redirect("alerts")


class Snooze(Allowed, View):
    action = "change_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        alert, text = get_object_or_404(Alert, uid=uid), request.POST.get("minutes", "60")[:5]
        minutes = min(int(text), 43_200) if text.isascii() and text.isdigit() else 60
        audit.do(request, self.action, f"alert {uid}", lambda: evaluate.snooze(alert, minutes), minutes=minutes)
        return redirect("alerts")


class Dismiss(Allowed, View):
    action = "change_rows"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        alert = get_object_or_404(Alert, uid=uid)
        audit.do(request, self.action, f"alert {uid}", lambda: evaluate.dismiss(alert, request.user.get_username()))
        return redirect("alerts")
