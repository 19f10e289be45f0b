"""The OpenAPI document: valid, and every operation's example is sent and answers as it says."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from project import api_urls
from tasks.access.models import ShareLink, Token
from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Rule
from tasks.api import examples, schema
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.failures import groups
from tasks.kinds.feeds.models import Feed
from tasks.kinds.images.models import Collection
from tasks.observe.models import App, Gap, Order
from tasks.schedules import actions
from tasks.webhooks import outbox
from tasks.webhooks.models import Endpoint
from tests.support.calls import call
from tests.support.people import person
from tests.support.receivers import channel

pytestmark = pytest.mark.django_db
assert api_urls.RESOURCES  # which the document is made of
DOCUMENT = schema.document()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def job(operation: str) -> dict[str, Any]:
    made = lifecycle.submit("countdown", {}, owner=person("ada"))[0]
    if operation == "take_back_cancel":
        lifecycle.cancel(made.uid)
    if operation == "retry_job":
        lifecycle.fail(lifecycle.claim(made.uid, "w1@here", 1), Failure("it broke"))
    link = ShareLink.objects.create(
        job=made, owner=person("ada"), expires_at=timezone.now() + timezone.timedelta(days=1)
    )
    return {"uid": made.uid, "link": link.uid}


def hook() -> Endpoint:
    return Endpoint.objects.create(
        owner=person("ada"), url="https://hooks.example.org/", secret=outbox.seal_secret(outbox.make_secret())
    )


def delivery() -> dict[str, Any]:
    sent = outbox.queue_test_delivery(hook())
    type(sent).objects.filter(pk=sent.pk).update(status="failed", finished_at=timezone.now())
    return {"uid": sent.uid}


def alert(operation: str) -> Any:
    """The id of a rule, or of an alert that it raised."""
    rule = Rule.objects.create(watch="failures")
    evaluate.open_alert("key", rule.watch, "noop", "noop failed 6 times in 10 min.", rule)
    return rule.uid if operation.endswith("alert_rule") else Alert.objects.get().uid


def failures(operation: str) -> dict[str, Any]:
    """The id of a group of failures; another one, into which it may be put, or is."""
    into = examples.BODIES["merge_failures"]["into"].partition(":")[0]
    for key in (into, "a" * 32):
        made = lifecycle.submit("countdown", {}, owner=person("ada"))[0]
        lifecycle.fail(lifecycle.claim(made.uid, "w1@here", 1), Failure("it broke", key=key))
    if operation == "split_failures":
        groups.merge("countdown", "a" * 32, into, "ada")
    return {"group": f"{'a' * 32}:countdown"}


def watched_app() -> dict[str, Any]:
    """A watched application, with something that was asked of it."""
    app = App.objects.create(name="shop", transport="redis", as_of=timezone.now())
    Gap.objects.create(app=app, begin=timezone.now(), until=timezone.now(), why="nobody watched")
    order = Order.objects.create(app=app, order="shutdown", values={"worker": "w1@host"}, asked_at=timezone.now())
    return {"app": "shop", "uid": order.uid}


# What stands in a path, by its first word: made afresh for each operation.
MADE = {
    "jobs": job,
    "tokens": lambda _: {"uid": Token.objects.make(person("ada"), "read")[0].uid},
    "webhooks": lambda _: {"uid": hook().uid},
    "deliveries": lambda _: delivery(),
    "channels": lambda _: {"uid": channel("json://hooks.example/").uid},
    "schedules": lambda _: {"uid": actions.create("nightly", "noop", {}, actions.every(3600, None), person("ada")).uid},
    "alerts": lambda operation: {"uid": alert(operation)},
    "failures": failures,
    "queues": lambda _: {"name": "default"},
    "apps": lambda _: watched_app(),
    "kinds": lambda _: {"name": "noop"},
    "feeds": lambda _: {"uid": Feed.objects.create(url="https://old.example/feed.xml").uid},
    "collections": lambda _: {"uid": Collection.objects.create(name="Spring", folder="/srv/photos/spring").uid},
}


@pytest.fixture(autouse=True)
def a_folder_that_is_there(settings, tmp_path, monkeypatch):
    """The one example that speaks of this very machine."""
    settings.SIGNALBOX_IMAGE_ROOTS, settings.SIGNALBOX_HOME = [tmp_path], tmp_path / "home"
    monkeypatch.setitem(examples.BODIES["create_collection"], "folder", str(tmp_path))


@pytest.mark.long
def test_the_document_is_valid_and_complete():
    validate_schema(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")
    assert all(path.startswith("/api/v1/") for path in DOCUMENT["paths"])
    for name, (_, _, operation) in OPERATIONS.items():
        assert re.fullmatch("[a-z_]+", name)
        if "requestBody" in operation:
            assert name in examples.BODIES, f"{name} takes a body and has no example"
    assert {*examples.BODIES, *examples.QUERIES, *examples.HEADERS} <= OPERATIONS.keys()


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_sent_as_its_example_and_answers_as_the_document_says(name):
    method, path, operation = OPERATIONS[name]
    values = MADE[path.split("/")[3]](name) if "{" in path else {}
    if path.endswith(("/handle/", "/reopen/")):
        broken = lifecycle.claim(job(name)["uid"], "w1@here", 1)
        lifecycle.fail(broken, Failure("it broke", key=examples.BODIES[name]["key"]))
    url = path.format(**values)
    if name in examples.QUERIES:
        url += "?" + urlencode(examples.QUERIES[name], doseq=True)
    answer = call("ada").send(method, url, examples.BODIES.get(name), **examples.HEADERS.get(name, {}))
    assert 200 <= answer.status_code < 300, answer.content
    said = operation["responses"][str(answer.status_code)]
    if answer.status_code == 204:
        assert not answer.content and "content" not in said
        return
    whole = {**said["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    errors = list(
        Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(read_json(answer))
    )
    assert not errors, errors[0]


def read_json(answer):
    """The body, also of an answer that is sent piece by piece."""
    if not answer.streaming:
        return answer.json()

    async def whole():
        return b"".join([piece async for piece in answer.streaming_content])

    return json.loads(async_to_sync(whole)())


def test_a_problem_is_as_the_document_says():
    answer = call("ada").post("jobs/", {"kind": "countdown", "params": {"seconds": "x"}})
    whole = {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]}
    assert not list(Draft202012Validator(whole).iter_errors(answer.json()))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/vnd.oai.openapi+json"),
        ("application/json", "application/json"),
        ("application/vnd.oai.openapi", "application/vnd.oai.openapi"),
    ],
)
def test_as_json_and_as_yaml(accept, kind):
    answer = call("vera").get("/api/schema/", Accept=accept)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(kind)
    assert b"openapi" in answer.content[:100] and b"/api/v1/jobs/" in answer.content


def test_its_pages_come_from_our_own_host_and_have_no_script_of_their_own():
    page = call("vera").get("/api/docs/").content.decode()
    sources = re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', page)
    assert sources and all(source.startswith("/static/") for source in sources)
    assert re.findall(r"<script(?![^>]*src=)", page) == [] and "<style" not in page and " style=" not in page
