"""The page of alerts: what is wrong now, what was, and the rules. Each action is a POST with a view of its own."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from tasks.access.permissions import may
from tasks.alerts import announce, evaluate, rules
from tasks.alerts.forms import RuleForm
from tasks.alerts.models import Alert, Rule
from tasks.web.pages import Page
from tasks.web.rows import ChangeRow, NewRow, RowAction, RowPage, newest

PAGE = 50


class AlertsPage(Page):
    template_name = "alerts/alerts.html"
    here = "alerts"
    action = "see_rows"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        now = Alert.objects.filter(closed_at=None).order_by("opened_at", "id")[: evaluate.SHOWN]
        past, more = newest(self.request, Alert.objects.exclude(closed_at=None), PAGE)
        return super().get_context_data(
            now=[(alert, announce.address_of(alert)) for alert in now],
            past=past,
            more=more,
            rules=Rule.objects.order_by("id").prefetch_related("channels"),
            moment=timezone.now(),
            may_change=may(self.request.user, "change_rows"),
            **context,
        )


class RuleForms(RowPage):
    here, noun = "alerts", "alert rule"
    action = "change_rows"
    model = Rule
    form_class = RuleForm

    def get_success_url(self) -> str:
        return reverse("alerts")

    def form_valid(self, form: RuleForm) -> HttpResponse:
        form.instance.owner = form.instance.owner or self.request.user
        return super().form_valid(form)


class RuleCreate(RuleForms, NewRow):
    extra_context = {"heading": "Add a rule", "button": "Add rule"}


class RuleUpdate(RuleForms, ChangeRow):
    extra_context = {"heading": "Change the rule", "button": "Save"}


class RuleAction(RowAction):
    here, noun = "alerts", "alert rule"
    action = "change_rows"
    rows = Rule.objects.all()


class RuleDelete(RuleAction):
    def do(self, rule: Rule) -> str:
        self.audited(rule.delete, rule)
        return f"The rule was deleted: {rule}."


class RuleMute(RuleAction):
    """Messages of a rule are sent, or are not; its alerts open all the same."""

    def do(self, rule: Rule) -> None:
        muted = self.request.POST.get("on") != "no"
        self.audited(lambda: rules.write(rule, {"muted": muted}), rule, muted=muted)


class Snooze(RuleAction):
    noun = "alert"
    rows = Alert.objects.all()

    def do(self, alert: Alert) -> None:
        text = self.request.POST.get("minutes", "60")[:5]
        minutes = min(int(text), 43_200) if text.isascii() and text.isdigit() else 60
        self.audited(lambda: evaluate.snooze(alert, minutes), alert, minutes=minutes)


class Dismiss(RuleAction):
    noun = "alert"
    rows = Alert.objects.all()

    def do(self, alert: Alert) -> None:
        self.audited(lambda: evaluate.dismiss(alert, self.request.user.get_username()), alert)
