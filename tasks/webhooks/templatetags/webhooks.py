"""What the pages of webhooks say of a delivery: its status in the lamps of jobs."""

from django import template

register = template.Library()
LAMPS = {
    "pending": "queued",
    "sending": "running",
    "delivered": "succeeded",
    "failed": "failed",
    "dropped": "cancelled",
}


@register.filter
def as_state(status: str) -> str:
    return LAMPS[status]
