"""Whoever may open a page finds a way to it by following links from the board."""

import re

import pytest
from django.test import Client

from tasks import lifecycle
from tests.people import person
from tests.routes import PAGES, PUBLIC

pytestmark = pytest.mark.django_db
LINK = re.compile(r'<a [^>]*href="(/[^"#?]*)')


def reached(client: Client) -> set[str]:
    seen, waiting = set(), {"/"}
    while waiting:
        seen |= waiting
        texts = [client.get(address).content.decode() for address in sorted(waiting)]
        waiting = {found for text in texts for found in LINK.findall(text)} - seen
    return seen


def test_every_page_can_be_reached_from_the_board():
    lifecycle.submit("noop", {}, owner=person("ada"))
    client = Client()
    client.force_login(person("ada"))
    there = {
        "/" + path for path, who in PAGES.items() if who != PUBLIC and "GET" in who and not re.search("[<(]", path)
    }
    assert there - reached(client) - {"/metrics"} == set()
