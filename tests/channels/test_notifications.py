"""Channels as rows, pages and resources; a notification and its tries, in a real worker too."""

from ipaddress import ip_network

import pytest

from tasks.channels import outgoing
from tasks.channels.models import Channel, Notification
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.people import person
from tests.support.processes import wait_until
from tests.support.receivers import channel, mail_server, receiver
from tests.support.runs import again, perform

SLACK = "slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings) -> None:
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


def sent(line: Channel) -> tuple[Notification, Job]:
    row = outgoing.test(line, "ada")
    job = perform(Job.objects.get(uid=row.job))
    row.refresh_from_db()
    line.refresh_from_db()
    return row, job


@pytest.mark.long
def test_the_api_of_channels_never_gives_an_address_back():
    ada = call("ada", "manage")
    made = ada.post("channels/", {"name": "ops", "url": SLACK})
    assert made.status_code == 201 and made.json()["last"] is None and made.json()["service"] == "Slack"
    path = f"channels/{made.json()['id']}/"
    changed = ada.send("PATCH", path, {"name": "night shift"})
    assert changed.json()["name"] == "night shift" and Channel.objects.get().url == SLACK
    assert ada.send("PUT", path, {"name": "x", "url": "tgram://123456789:abcdefg_hijklmnop/1/"}).status_code == 200
    for answer in (made, changed, ada.get(path), ada.get("channels/"), ada.get(f"{path}notifications/")):
        assert "url" not in answer.json() and "abcdefg" not in answer.text
    assert "abcdefg" not in Channel.objects.get().sealed
    assert ada.send("PATCH", path, {"url": "syslog://"}).json()["errors"]["url"]
    assert ada.post("channels/", {"name": "x", "url": "json://10.0.0.1/"}).status_code == 400
    for name, scope in (("bob", None), ("vera", None), ("ada", "read"), ("ada", "submit")):
        assert call(name, scope).get("channels/").status_code == 403
    assert ada.delete(path).status_code == 204 and not Channel.objects.exists()


@pytest.mark.long
def test_the_pages_of_channels_never_show_an_address():
    ada = call("ada").client
    refused = ada.post("/channels/new/", {"name": "ops", "url": "json://10.0.0.1/s3cr3t"})
    assert refused.status_code == 422 and "is a private address" in refused.text
    ada.post("/channels/new/", {"name": "ops", "url": SLACK})
    line = Channel.objects.get()
    assert (line.url, line.owner, line.service) == (SLACK, person("ada"), "Slack")
    ada.post(f"/channels/{line.uid}/change/", {"name": "day", "url": ""})
    line.refresh_from_db()
    assert (line.name, line.url) == ("day", SLACK)
    for page in ("/channels/", f"/channels/{line.uid}/", f"/channels/{line.uid}/change/"):
        assert "day" in ada.get(page).text and "abcdefgh" not in ada.get(page).text


def test_the_button_sends_a_message_by_a_job_and_the_channel_says_how_it_went():
    with receiver() as site:
        line = channel(site.url.replace("http://", "json://"))
        answer = call("ada").post(f"channels/{line.uid}/test/", {})
        assert answer.status_code == 201 and answer.json()["status"] == "pending"
        job = perform(Job.objects.get(uid=answer.json()["job"]))
        assert (job.state, job.result) == ("succeeded", {"said": "Sent."})
        assert again(job).result == {"said": "There was nothing to send."}
        assert len(site.received) == 1
    last = call("ada").get(f"channels/{line.uid}/").json()["last"]
    assert (last["ok"], last["said"]) == (True, "Sent.") and last["at"]
    (row,) = call("ada").get(f"channels/{line.uid}/notifications/").json()["results"]
    assert row["status"] == "sent" and [each["ok"] for each in row["tries"]] == [True]


@pytest.mark.long
def test_a_refused_message_is_tried_again_and_given_up_after_the_sixth_try():
    with receiver(lambda number: 503) as site:
        row, job = sent(channel(site.url.replace("http://", "json://")))
        assert (job.state, row.status, job.attempt) == ("retrying", "pending", 1)
        assert "503" in row.tries[0]["said"] and job.due_at is not None
        for _ in range(5):
            job = again(job)
        row.refresh_from_db()
        assert (job.state, row.status, len(row.tries), len(site.received)) == ("failed", "failed", 6, 6)
        assert row.finished_at is not None and not row.channel.last_ok


def test_an_address_that_cannot_be_unsealed_is_said(settings):
    line = channel(SLACK)
    settings.SECRET_KEY = "another key"
    row, job = sent(line)
    assert (job.state, row.status) == ("failed", "failed")
    assert line.last_said == "The address was sealed with a SECRET_KEY that is no longer known. Write it again."


def test_a_secret_of_a_share_link_does_not_leave_with_a_message():
    (row,) = outgoing.notify([channel(SLACK)], "See /share/abcdef", "GET /start/tok3n")
    assert "abcdef" not in row.title and "tok3n" not in row.body


@pytest.mark.process
def test_a_worker_sends_a_mail_within_ten_seconds(start_worker):
    with mail_server() as (box, port):
        start_worker("w1", SIGNALBOX_ALLOW_NETWORKS="127.0.0.1/32")
        line = channel(f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=box@shop.example&to=ops@shop.example")
        outgoing.test(line, "ada")
        wait_until(lambda: box.letters, 10, "the letter")
        wait_until(lambda: Channel.objects.get().last_ok, 10, "the channel's last try")
    assert box.letters[0]["Subject"] == "Signalbox: test"
