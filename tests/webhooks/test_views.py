"""The pages of webhooks: forms that refuse in place, a secret that is seen once, the log, and who may what."""

import re

import pytest
from django.test import Client

from tasks.access.models import Entry
from tasks.engine import lifecycle
from tasks.webhooks import deliveries
from tasks.webhooks.models import Delivery, Endpoint
from tests.support.people import person
from tests.support.receivers import endpoint

pytestmark = pytest.mark.django_db
URL = "https://example.org/hook"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def test_a_webhook_is_added_and_its_secret_seen_once():
    ada = browser("ada")
    answer = ada.post("/webhooks/new/", {"url": URL, "name": "ci", "states": ["failed"]}, follow=True)
    secret = SECRET.search(answer.text)[0]
    hook = Endpoint.objects.get()
    assert (hook.name, hook.states, hook.owner, hook.hears_succeeded) == ("ci", ["failed"], person("ada"), False)
    assert not SECRET.search(ada.get(f"/webhooks/{hook.uid}/").text)
    again = ada.post(f"/webhooks/{hook.uid}/rotate/", follow=True)
    assert SECRET.search(again.text)[0] != secret
    assert not SECRET.search(browser("ada").get(f"/webhooks/{hook.uid}/").text)
    assert Entry.objects.filter(action="change_webhooks", who="ada").count() == 2


def test_a_wrong_address_is_refused_in_place():
    answer = browser("ada").post("/webhooks/new/", {"url": "http://192.168.0.1/", "name": "mine"})
    assert answer.status_code == 422
    assert "192.168.0.1 is a private address, which webhooks may not reach." in answer.text
    assert 'value="mine"' in answer.text
    assert not Endpoint.objects.exists()


def test_change_switch_test_and_delete():
    ada, hook = browser("ada"), endpoint(URL, name="first")
    path = f"/webhooks/{hook.uid}/"
    ada.post(f"{path}change/", {"url": URL, "name": "second", "kinds": ["noop"]})
    hook.refresh_from_db()
    assert (hook.name, hook.kinds, hook.states, hook.hears_running) == ("second", ["noop"], [], True)
    ada.post(f"{path}test/")
    assert Delivery.objects.get().event == "webhook.test"
    assert "were dropped" in ada.post(f"{path}switch/", {"on": "no"}, follow=True).text
    assert "The webhook is off. Nothing was sent." in ada.post(f"{path}test/", follow=True).text
    ada.post(f"{path}switch/", {"on": "yes"})
    hook.refresh_from_db()
    assert hook.enabled
    assert "Delete second?" in ada.get(f"{path}delete/").text
    ada.post(f"{path}delete/")
    assert not Endpoint.objects.exists()


def test_the_log_shows_tries_and_sends_again():
    hook = endpoint(URL, states=["succeeded", "queued"])
    job, _ = lifecycle.submit("noop", {})
    (row,) = deliveries.take({}, lambda busy, lane: 1)
    deliveries.record_all([(row, deliveries.Answer(row.created_at, 0.25, 500, "", "<b>no</b>"))])
    bob = browser("bob")
    page = bob.get(f"/webhooks/{hook.uid}/").text
    assert "job.queued" in page
    assert str(job.uid) in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "New secret" not in page
    assert "Sending again" in bob.post(f"/deliveries/{row.uid}/replay/", follow=True).text
    assert Delivery.objects.get().tries_before == 1


def test_who_may_open_and_change():
    hook = endpoint(URL)
    for name, sees, changes in (("ada", 200, 302), ("bob", 200, 403), ("vera", 403, 403), ("charlie", 403, 403)):
        one = browser(name)
        for path in ("/webhooks/", f"/webhooks/{hook.uid}/", "/webhooks/callbacks/"):
            assert one.get(path).status_code == sees, (name, path)
        for verb in ("rotate", "switch", "test"):
            assert one.post(f"/webhooks/{hook.uid}/{verb}/").status_code == changes, (name, verb)
        assert one.get("/webhooks/new/").status_code == {302: 200}.get(changes, changes)


def test_ones_own_callback_secret():
    page = browser("alice").post("/webhooks/callbacks/secret/", follow=True)
    assert SECRET.search(page.text)
    lifecycle.submit("noop", {}, owner=person("alice"), callback_url="https://example.org/back?token=1")
    assert browser("vera").post("/webhooks/callbacks/secret/").status_code == 403
