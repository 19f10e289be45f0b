"""Alerts before people: the notice above every page, the page of alerts, rules, and the API."""

import pytest
from django.test import Client

from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Rule
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def opened(sentence: str = "It is <wrong>.") -> Alert:
    evaluate.open_alert("key", "worker", "w1", sentence)
    return Alert.objects.get(closed_at=None)


def test_the_notice_stands_above_every_page_until_it_is_over_or_dismissed():
    alert, vera = opened(), browser("vera")
    for page in ("/", "/jobs/", "/workers/", "/schedules/", "/alerts/"):
        assert "It is &lt;wrong&gt;." in vera.get(page).text, page
    assert vera.post(f"/alerts/{alert.uid}/dismiss/").status_code == 403
    browser("bob").post(f"/alerts/{alert.uid}/dismiss/")
    assert "wrong" not in vera.get("/").text
    assert "dismissed by bob" in vera.get("/alerts/").text
    evaluate.close_alert(alert)
    assert "Closed" in vera.get("/alerts/").text


def test_an_open_alert_leads_to_what_it_is_about():
    evaluate.open_alert("key", "failures", "store.pay", "store.pay: 9 failures in 10 min (limit 5)")
    assert 'href="/jobs/?q=state%3Afailed+kind%3Astore.pay"' in browser("vera").get("/alerts/").text


def test_rules_are_made_changed_and_deleted_by_forms():
    Rule.objects.all().delete()
    bob, said = browser("bob"), {"watch": "failures", "kind": "noop", "times": "3", "minutes": "5", "seconds": "60"}
    bob.post("/alerts/rules/new/", said | {"enabled": "on"})
    rule = Rule.objects.get()
    assert (str(rule), rule.owner, rule.enabled) == ("noop fails more than 3 times in 5 min", person("bob"), True)
    assert bob.post(f"/alerts/rules/{rule.uid}/", said | {"times": "many"}).status_code == 422
    bob.post(f"/alerts/rules/{rule.uid}/", said | {"times": "7"})
    rule.refresh_from_db()
    assert (rule.times, rule.enabled) == (7, False)
    bob.post(f"/alerts/rules/{rule.uid}/delete/")
    assert not Rule.objects.exists()


def test_the_api_of_alerts_and_rules():
    alert = opened("It is wrong.")
    (shown,) = call("vera").get("alerts/?open=true").json()["results"]
    assert shown == alert.to_dict()
    assert call("vera").get("alerts/?open=false").json()["results"] == []
    assert call("vera").get("alerts/?open=maybe").status_code == 400
    assert call("bob").post(f"alerts/{alert.uid}/dismiss/").json()["dismissed_by"] == "bob"
    made = call("bob").post("alerts/rules/", {"watch": "waiting", "queue": "default", "seconds": 90})
    assert made.status_code == 201
    assert made.json()["in_words"] == "The oldest job of default waits longer than 90 s"
    path = f"alerts/rules/{made.json()['id']}/"
    assert call("bob").send("PATCH", path, {"seconds": 30}).json()["seconds"] == 30
    assert call("bob").send("PATCH", path, {"seconds": 0}).status_code == 400
    assert call("vera").delete(path).status_code == 403
    assert call("bob").delete(path).status_code == 204
