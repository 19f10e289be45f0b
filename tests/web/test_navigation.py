"""Whoever may open a page finds a way to it by following links from the board."""

import re

import pytest
from django.test import Client

from tasks.engine import lifecycle
from tests.support.people import person
from tests.support.routes import PAGES, PUBLIC

pytestmark = [pytest.mark.django_db, pytest.mark.pure, pytest.mark.long]
LINK = re.compile(r'<a [^>]*href="(/(?!admin)[^"#?]*)')


def reached(client: Client) -> set[str]:
    seen, waiting = set(), {"/", "/jobs/?q=state:queued"}  # what somebody types is no link
    while waiting:
        seen |= waiting
        answers = [client.get(address) for address in sorted(waiting)]
        texts = [answer.text for answer in answers if not answer.streaming]
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
