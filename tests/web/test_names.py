"""Names that people choose, as parts of addresses: each leads back to itself, on pages, over the API, in searches."""

import re
from html import unescape
from urllib.parse import quote, unquote

import pytest
from django.test import Client
from django.urls import resolve, reverse
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import job
from tasks.engine import lifecycle, registry
from tasks.engine.models import Queue
from tasks.web.links import quoted
from tasks.web.names import Name
from tests.support.calls import call
from tests.support.people import person

NAMES = [
    "a/b", "/", "//a//", "..", ".", "a.b.c", "a?b", "a#b", "100%", "%2F", "a b", "a~2Fb", "~", "привет мир", "日本",
    "a;b=c&d", "a+b", "\\", "new", "x" * 100, 'say "so"', "a,b", "a:b", "state:failed", "<b>", "-", "a/pause",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("route", "key"),
    [("submit-kind", "kind"), ("schedule-new", "kind"), ("queue-pause", "name"), ("queue-resume", "name")],
)
def test_an_address_leads_back_to_the_name(name, route, key):
    path = reverse(route, args=[name])
    assert "//" not in path and "/../" not in path and "/./" not in path, "a proxy or a browser would rewrite it"
    assert not re.search("%2[Ff]|%25", path), "a proxy may decode it"
    found = resolve(unquote(path))
    assert (found.url_name, found.kwargs) == (route, {key: name})


@given(st.text(max_size=50))
def test_every_text_comes_back(name):
    there = Name().to_url(name)
    assert there and not set(there) & set("/?#%; \n\0")
    assert Name().to_python(there) == name


@pytest.fixture
def kind(request) -> str:
    @job(name=request.param)
    def named(number: int = 1) -> int:
        """A kind with a name of its own."""
        return number

    yield request.param
    del registry._kinds[request.param]


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", NAMES, indirect=True)
def test_a_kind_of_any_name_is_submitted_scheduled_shown_and_found(kind):
    client = Client()
    client.force_login(person("ada"))
    for page in ("/submit/", "/schedules/new/", "/", "/jobs/"):
        assert client.get(page).status_code == 200
    links = re.findall(r'href="(/(?:submit|schedules/new)/[^"]+/)"', client.get("/submit/").text)
    there = [link for link in links if resolve(unquote(unescape(link))).kwargs.get("kind") == kind]
    assert there, "the page of kinds links to it"
    assert client.get(unescape(there[0])).status_code == 200
    assert client.get(reverse("schedule-new", args=[kind])).status_code == 200
    answer = client.post(unescape(there[0]), {"p-number": "2", "once": "1"})
    assert answer.status_code == 302
    made = client.get(answer.url)
    assert made.status_code == 200 and f'"{reverse("submit-kind", args=[kind])}?copy=' in unescape(made.text)
    uid = answer.url.strip("/").rpartition("/")[2]
    assert client.get(f"/jobs/{uid}/log/").status_code == 200
    other, _ = lifecycle.submit("noop", {})
    found = call("vera").get(f"jobs/?kind={quote(quoted(kind), safe='')}").json()["results"]
    assert [each["id"] for each in found] == [uid]


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [name for name in NAMES if len(name) <= 100])
def test_a_queue_of_any_name_is_paused_and_resumed(name):
    Queue.objects.create(name=name)
    client = Client()
    client.force_login(person("bob"))
    page = client.get("/workers/")
    assert page.status_code == 200
    forms = [unescape(each) for each in re.findall(r'action="(/queues/[^"]+/pause/)"', page.text)]
    [there] = {each for each in forms if resolve(unquote(each)).kwargs["name"] == name}
    assert client.post(there).status_code == 302
    assert Queue.objects.get(name=name).paused
    answer = call("bob", "manage").post(f"queues/{Name().to_url(name)}/resume/")
    assert (answer.status_code, answer.json()["name"], answer.json()["paused"]) == (200, name, False)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\0b", " a", "a\u202eb"])
def test_a_name_that_nothing_could_show_is_refused(name):
    with pytest.raises(TypeError, match="its name is a text of 1 to 200 printable characters"):

        @job(name=name)
        def named() -> None:
            pass
