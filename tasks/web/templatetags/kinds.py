"""What pages of rows beside jobs say of moments, addresses and statuses, in the words of the other pages."""

from datetime import datetime
from urllib.parse import urlsplit

from django import template
from django.utils.html import format_html

from tasks.engine.models import instant
from tasks.web.templatetags.signalbox import time_text

register = template.Library()
LAMPS = {
    "up": "succeeded", "down": "failed", "sending": "running", "sent": "succeeded", "delivered": "succeeded",
    "failed": "failed", "dropped": "cancelled",
}  # fmt: skip


@register.simple_tag
def when(moment: datetime | None, format: str = "ago", never: str = "never") -> str:
    """A moment as a <time> that static/js/parts/time.js keeps up. ``format``: ago, clock, since, until."""
    if moment is None:
        return never
    at = instant(moment)
    return format_html('<time datetime="{}" data-format="{}">{}</time>', at, format, time_text(at, format))


@register.filter
def host(url: str) -> str:
    """The host of an address, for a line that has no room for all of it."""
    return urlsplit(url).netloc or url


@register.filter
def lamp_of(status: str) -> str:
    """The lamp of the status of a service, a delivery or a notification."""
    return LAMPS.get(status, "queued")
