"""Addresses of searches: the Jobs page and bulk actions on what it finds."""

from uuid import UUID

from django.urls import reverse
from django.utils.http import urlencode


def jobs_url(text: str, **at: UUID | str) -> str:
    query = {**({"q": text} if text else {}), **at}
    return f"{reverse('jobs')}?{urlencode(query)}" if query else reverse("jobs")


def bulk_url(action: str, text: str) -> str:
    return f"{reverse('bulk')}?{urlencode({'action': action, 'q': text})}"


def quoted(name: str) -> str:
    """A name as a search takes it for one: ``kind:"a, b"``."""
    plain = name and not set(name) & set(',"') and not name.startswith("//") and name.split() == [name]
    return name if plain else '"' + name.replace('"', '""') + '"'
