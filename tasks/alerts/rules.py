"""Writing a rule with the channels that it names, in one transaction."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction

from tasks.alerts.models import Rule


def write(rule: Rule, given: dict[str, Any]) -> Rule:
    """Save a new rule, or the columns of an old one that are given. ``channels``: rows, and no column."""
    columns = {name: value for name, value in given.items() if name != "channels"}
    for name, value in columns.items():
        setattr(rule, name, value)
    with transaction.atomic():
        if rule.pk is None:
            rule.save()
        elif columns:
            rule.save(update_fields=[*columns])
        if "channels" in given:
            rule.channels.set(given["channels"])
    return rule


@cache
def zones() -> frozenset[str]:
    """The names of time zones, as quiet hours may name them."""
    return frozenset(available_timezones())
