"""The notices that stand above every page while something is wrong."""

from typing import Any

from django import template

from tasks.access.permissions import may
from tasks.alerts import evaluate

register = template.Library()


@register.simple_tag(takes_context=True)
def open_alert_count(context: dict[str, Any]) -> int:
    return len(evaluate.open_alerts()) if may(context["request"].user, "see_rows") else 0


@register.inclusion_tag("alerts/_notices.html", takes_context=True)
def notices(context: dict[str, Any]) -> dict[str, Any]:
    user = context["request"].user
    return {"alerts": evaluate.open_alerts() if may(user, "see_rows") else []}
