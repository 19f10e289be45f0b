"""check_health against real servers, its history, and its pages."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.test import Client
from django.utils import timezone

from tasks.engine.models import Job
from tasks.engine.uid import uuid7
from tasks.kinds.checks import views
from tasks.kinds.checks.models import Observation, Service
from tests.support.origins import moved, reply
from tests.support.people import person
from tests.support.runs import again, run
from tests.support.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; nothing else on this machine."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_service_that_is_well():
    with serving(lambda head: moved("/ok") if b"GET / " in head else reply(b"fine")) as site:
        job = run("check_health", url=site.url)
    service = Service.objects.get()
    assert (job.state, job.result["up"], job.result["http_status"], job.result["changed"]) == (
        "succeeded",
        True,
        200,
        True,
    )
    assert (service.url, service.status, str(service.uid)) == (site.url, "up", job.result["service"])
    seen = service.observations.get()
    assert (seen.job, seen.up, seen.reason, 0 < seen.seconds < 5) == (job.uid, True, "", True)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (reply(b"", "503 Service Unavailable"), 503, "status: The server answered 503 Service Unavailable."),
        (reply(b"", "404 Not Found"), 404, "status: The server answered 404 Not Found."),
        (b"nonsense\r\n\r\n", None, "protocol: The answer is not valid HTTP, or its header is too large."),
        (moved("http://169.254.169.254/"), None, "refused-address: 169.254.169.254 is a link-local address"),
    ],
)
def test_a_service_that_is_not_well_is_no_failure_of_the_job(answer, status, reason):
    with serving(answer) as site:
        job = run("check_health", url=site.url)
    seen = Observation.objects.get()
    assert (job.state, seen.up, seen.http_status) == ("succeeded", False, status)
    assert seen.reason.startswith(reason)
    assert Service.objects.get().status == "down"


def test_a_server_that_says_nothing_is_down_in_time(monkeypatch):
    monkeypatch.setattr("tasks.kinds.checks.tasks.TOTAL_S", 0.3)

    async def silent(reader, writer, head):
        await reader.read()

    with serving(silent) as site:
        job = run("check_health", url=site.url)
    assert job.result["reason"] == "timeout: No complete answer within 0.3 s."
    assert 0.2 < job.result["seconds"] < 2


def test_the_history_says_when_it_changed():
    answers = [reply(), reply(b"", "500 Internal Server Error"), reply(b"", "500 Internal Server Error"), reply()]
    with serving(lambda head: answers.pop(0)) as site:
        jobs = [run("check_health", url=site.url + "/") for _ in range(4)]
    service = Service.objects.get()
    assert [job.result["changed"] for job in jobs] == [True, True, False, True]
    assert [seen.up for seen in service.latest(10)] == [True, False, False, True]
    assert service.since == service.checked_at == service.latest(1)[0].at


def test_the_same_job_run_twice_is_one_check():
    with serving(reply()) as site:
        job = run("check_health", url=site.url)
        first = Observation.objects.get()
        assert again(job).state == "succeeded"
    second = Observation.objects.get()
    assert (second.pk, second.job, second.up) == (first.pk, first.job, first.up)
    assert Service.objects.get().status == "up"


def test_an_older_look_that_arrives_late_does_not_change_the_status():
    service, now = Service.objects.create(url="https://x.example/"), timezone.now()
    service.observe(uuid7(), now, True, seconds=1)
    service.observe(uuid7(), now - timedelta(minutes=1), False, seconds=1)
    assert (service.status, service.checked_at) == ("up", now)
    assert [seen.up for seen in service.latest(5)] == [False, True]


def test_a_history_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr("tasks.kinds.checks.models.KEPT", 10)
    service, now = Service.objects.create(url="https://x.example/"), timezone.now()
    Observation.objects.bulk_create(
        [
            Observation(service=service, job=uuid7(), at=now - timedelta(minutes=n), up=True, seconds=n)
            for n in range(300)
        ]
    )
    service.forget_old()
    assert service.observations.count() == 100
    service.forget_old()
    assert [seen.seconds for seen in service.latest(100)] == list(range(9, -1, -1))


@pytest.mark.parametrize("url", ["http://127.1/", "http://0x7f.1/", "https://x.example:25/", "http://x.example/ y"])
def test_an_address_that_is_no_address_is_no_service(url):
    job = run("check_health", url=url.replace(" ", "%20").replace("%20y", "\u200by"))
    assert (job.state, job.error.startswith("Refused: bad-url: ")) == ("failed", True)
    assert not Service.objects.exists()


@pytest.fixture
def service() -> Service:
    made, now = Service.objects.create(url="https://x.example/health"), timezone.now()
    for n in range(70):
        made.observe(uuid7(), now - timedelta(minutes=70 - n), n % 10 != 0, seconds=n / 10, reason="r" * (n % 10 == 0))
    return made


def test_the_strip_shows_the_last_sixty_the_newest_at_the_right(service):
    strip = views.strip(service.latest(views.STRIP))
    assert (len(strip["bars"]), strip["words"]) == (60, "54 of the last 60 checks found it up")
    assert [bar["x"] for bar in strip["bars"]] == list(range(0, 360, 6))
    assert strip["bars"][-1]["seen"].seconds == 6.9
    assert {bar["height"] for bar in strip["bars"] if not bar["seen"].up} == {views.TALL}
    assert views.strip([])["words"] == "not checked yet"


@pytest.mark.long
def test_the_pages(service):
    client = browser("vera")
    for url in ("/checks/", f"/checks/{service.uid}/"):
        text = client.get(url).content.decode()
        assert "https://x.example/health" in text and "54 of the last 60 checks found it up" in text
        assert text.count("data-up=") == 60
        assert ": up, 6.9 s " in text
    service.observe(uuid7(), timezone.now(), True, seconds=0.003)
    assert ": up, 3 ms " in client.get("/checks/").content.decode()
    assert text.count('<tr data-key="') == 70
    assert client.get(f"/checks/{uuid7()}/").status_code == client.get("/checks/?before=x").status_code == 404


def test_a_check_now_and_an_end_of_it(service):
    client = browser("bob")
    assert client.post(f"/checks/{service.uid}/now/").url == f"/checks/{service.uid}/"
    job = Job.objects.get()
    assert (job.kind, job.params, job.owner.username) == ("check_health", {"url": service.url}, "bob")
    assert client.post(f"/checks/{service.uid}/forget/").url == "/checks/"
    assert not Service.objects.exists() and not Observation.objects.exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "see", "do"), [("charlie", 403, 403), ("vera", 200, 403), ("bob", 200, 302), ("ada", 200, 302)]
)
def test_who_may_do_what(service, name, see, do):
    client, page = browser(name), f"/checks/{service.uid}/"
    assert [client.get(url).status_code for url in ("/checks/", page)] == [see, see]
    assert [client.post(page + verb).status_code for verb in ("now/", "forget/")] == [do, do]
    assert Client().get(page).status_code == Client().post(page + "now/").status_code == 302
