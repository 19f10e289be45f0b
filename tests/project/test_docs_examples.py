"""The examples of docs/webhooks.md, schedules.md, alerts.md and chains.md do what is said beside them."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.kinds.basic import noop
from tasks.webhooks import deliveries, sender
from tests.support.calls import call
from tests.support.processes import ROOT
from tests.support.receivers import SECRET, endpoint
from tests.tasks import add

pytestmark = pytest.mark.django_db


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def example(name: str, language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)[1]


def defined(name: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(example(name, "python"), space)
    return space


def test_the_receiver_of_the_page_checks_what_is_sent():
    endpoint("http://x.test/", states=["queued"])
    job, _ = lifecycle.submit("noop", {})
    (row,) = deliveries.take(lambda lane: 1)
    headers = {name.lower(): value for name, value in sender.sign(row, datetime.now(UTC)).items()}
    message = defined("webhooks.md")["receive"](row.body.encode(), headers, SECRET)
    shown = json.loads(example("webhooks.md", "json"))
    assert message.keys() == shown.keys()
    assert shown["data"].keys() < message["data"].keys()
    assert message["data"] == job.summary()


def test_the_bodies_of_the_pages_are_accepted():
    assert call("ada").post("schedules/", json.loads(example("schedules.md", "json"))).status_code == 201
    assert call("bob").post("alerts/rules/", json.loads(example("alerts.md", "json"))).status_code == 201


def test_the_canvas_of_the_page_makes_rows():
    defined("chains.md")["begin"](add, noop)
    assert Job.objects.filter(state="queued").count() == 4


def test_the_numbers_of_the_page_are_those_of_the_code():
    said = " ".join(page("webhooks.md").split())
    assert deliveries.PAUSES_S == (5, 300, 1800, 7200, 18_000, 36_000, 50_400)
    for words in (
        f"within {sender.TOTAL_S:g} seconds",
        "after 5 seconds, 5 minutes, 30 minutes, 2, 5, 10 and 14 hours",
        f"after {deliveries.LEASE.seconds} seconds",
        f"up to {sender.MOST} messages at a time",
        f"at most {sender.LANE} to one webhook, and {sender.TROUBLED} when",
    ):
        assert words in said, words
