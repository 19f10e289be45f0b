"""What reaches a real mail server and a real web server, and what is never reached."""

import asyncio
import json
import os
import time
from ipaddress import ip_network

import pytest

from tasks.channels import sending
from tasks.channels.services import BadChannel
from tests.support.origins import moved
from tests.support.receivers import mail_server, receiver
from tests.support.serving import serving

pytestmark = [pytest.mark.process, pytest.mark.pure]
LOOPBACK = [ip_network("127.0.0.1/32")]


@pytest.fixture
def loopback(settings) -> None:
    settings.SIGNALBOX_ALLOW_NETWORKS = LOOPBACK


def mail(port: int, more: str = "") -> str:
    return f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=box@shop.example&to=ops@shop.example{more}"


def test_a_mail_arrives_with_its_title_and_its_text(loopback):
    with mail_server() as (box, port):
        answer = sending.send(mail(port), "noop: 622 failures", "Now: 622\nhttps://jobs.example/alerts/", "failure")
    assert (answer.ok, answer.said) == (True, "Sent.")
    (letter,) = box.letters
    assert letter["Subject"] == "noop: 622 failures" and "ops@shop.example" in letter["To"]
    assert "https://jobs.example/alerts/" in letter.get_body().get_content()


def test_a_web_server_gets_json_and_says_what_it_thinks(loopback):
    with receiver() as site:
        url = site.url.replace("http://", "json://")
        assert sending.send(url, "title", "text", "failure").ok
        assert (site.received[0].payload["title"], site.received[0].payload["message"]) == ("title", "text")
    with receiver(500) as site:
        answer = sending.send(site.url.replace("http://", "json://user:passw0rd@") + "/s3cr3tpath", "title", "text")
        assert not answer.ok and "500" in answer.said
        assert "passw0rd" not in answer.said and "s3cr3tpath" not in answer.said


def test_a_redirect_is_not_followed(loopback):
    with receiver() as inside, serving(moved(inside.url)) as site:
        answer = sending.send(site.url.replace("http://", "json://"), "title", "text")
        assert not answer.ok and site.met == 1 and inside.received == []


async def drip(reader, writer, head: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(60):
        writer.write(b"X-%d: y\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.5)


def test_a_server_that_never_ends_its_answer_takes_eight_seconds(loopback):
    with serving(drip) as site:
        began = time.monotonic()
        answer = sending.send(site.url.replace("http://", "json://"), "title", "text")
        assert time.monotonic() - began < 9.5
    assert (answer.ok, answer.said) == (False, "No answer within 8 s.")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_the_rule_of_addresses_refuses_is_not_connected_to(host, settings):
    settings.SIGNALBOX_ALLOW_NETWORKS = []
    with receiver() as site, mail_server() as (box, port):
        web = site.url.replace("http://127.0.0.1", f"json://{host}")
        for url in (web, mail(port).replace("smtp=127.0.0.1", f"smtp={host}")):
            with pytest.raises(BadChannel, match="is a loopback address, which channels may not reach"):
                sending.check(url)
            answer = sending.send(url, "title", "text")  # as if the name had led elsewhere when it was asked about
            assert not answer.ok and answer.said.endswith("is a loopback address, which channels may not reach.")
        assert site.received == [] and box.letters == []


@pytest.mark.parametrize(
    "url",
    [
        "syslog://localhost", "dbus://x", "windows://x", "macosx://x", "gnome://x", "glib://x", "growl://x/y",
        "rsyslog://example.org/x", "mqtt://example.org/x", "fcm://project@key/x?keyfile=/etc/passwd",
        "https://example.org/", "file:///etc/passwd", "json://", "://", "", "json", f"json://{'x' * 2_000}",
        "json://a b/", "json://example.org/\nx", "pagerduty://x",
        "json://93.184.215.14/?redirect=yes", "json://93.184.215.14/?template=/etc/passwd",
        "json://93.184.215.14/?rto=100", "json://93.184.215.14/?retry=9", "json://93.184.215.14/?attach=/etc/passwd",
        "json://93.184.215.14/?nonsense=1", "json://93.184.215.14:22/", "json://10.0.0.1/", "ntfy://169.254.169.254/x",
        "gotify://[::1]/token", "mmosts://0x7f.1/token", "matrix://192.168.0.1/x",
        "mailto://user:pw@example.org?smtp=10.0.0.1", "mailto://127.0.0.1?smtp=93.184.215.14&pgp=yes",
        "slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx?template=/etc/passwd",
    ],
)  # fmt: skip
def test_an_address_that_no_channel_may_have_is_refused_in_a_sentence(url):
    with pytest.raises(BadChannel) as refused:
        sending.check(url)
    said = str(refused.value)
    assert said.endswith(".") and len(said) < 200 and "Error" not in said


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx", "Slack"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "Telegram"),
        ("pagerduty://ABCDEFGHIJKLMNOPQRST@0123456789abcdefghij0123456789ab", "Pager Duty"),
        ("ntfy://a-topic", "ntfy"),
        ("json://93.184.215.14/hook?+X-Token=abc", "JSON"),
        ("mailtos://user:pw@example.org?smtp=93.184.215.14&to=ops@example.org", "E-Mail"),
    ],
)
def test_the_services_of_the_list_are_known(url, service):
    assert sending.check(url).service == service


def test_the_program_sees_neither_our_environment_nor_our_files(loopback, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with receiver() as site:
        assert sending.send(site.url.replace("http://", "json://"), "title", "text").ok
    asked = "import json,sys; from tasks.channels.outside import Guard; sys.addaudithook(Guard([])); "
    for code in ("open('/etc/passwd')", "open('/tmp/x','w')", "__import__('os').system('true')"):
        assert os.system(f'cd {sending.settings.BASE_DIR} && {sending.sys.executable} -c "{asked}{code}" 2>/dev/null')


def test_the_parts_of_an_address_that_nobody_reads():
    secrets = sending.secrets_of("json://us%65r:passw@host.example:8080/path/deep?+Key=value&method=put")
    assert {"user", "passw", "path", "value"} <= set(secrets)
    assert json.dumps(secrets).count("method") == 1  # in the whole address alone
