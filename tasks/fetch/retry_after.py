"""How long a server asks its clients to wait, in the header Retry-After of RFC 9110."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], longest: float, now: datetime | None = None) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date, at most ``longest``; None without a sensible one."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:9]), longest)
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, TypeError, IndexError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - (now or datetime.now(UTC))).total_seconds()), longest)
