"""Every route that changes something leaves an entry in the audit trail, or stands here with the reason why not.

Each is called by Ada with what it takes, and must succeed: a refusal would leave an entry as well.
"""

from typing import Any

import pytest
from django.utils import timezone

from tasks.access.models import Entry
from tasks.alerts.models import Alert, Rule
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.kinds.checks.models import Service
from tasks.kinds.feeds.models import Feed
from tasks.kinds.images.models import Collection
from tasks.observe.models import App, WatchedWorker
from tasks.people import accounts
from tasks.webhooks import outbox
from tests.support.calls import call
from tests.support.hostile import Forms
from tests.support.people import PASSWORD, person
from tests.support.receivers import channel, endpoint
from tests.support.routes import actions, known
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db
SLACK = "slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx"
NEW = "another long pass phrase 7"
EXCEPTIONS = {
    "POST feeds/<uuid:uid>/subscribe/": "what one wants to see oneself: nobody else sees it, or loses anything",
    "POST feeds/<uuid:uid>/unsubscribe/": "the same",
}
ROUTES = [
    f"{method} {route}"
    for route, said in known().items()
    if not route.startswith("api/v1/")
    for method in actions(said)
    if method != "GET"
]


class World:
    """Rows to change, made when they are asked for, and what each route takes."""

    def __init__(self, images: Any) -> None:
        self.ada, self.me, self.images = call("ada"), person("ada"), images

    def job(self, state: str = "queued", key: str = "key") -> Any:
        job = lifecycle.submit("noop", {}, owner=self.me)[0]
        if state == "cancelled":
            lifecycle.cancel(job.uid, self.me)
        elif state == "failed":
            claimed = lifecycle.claim(job.uid, "w", 1)
            lifecycle.fail(claimed, Failure("Broken.", "", key))
        return job

    def made(self, path: str, body: dict[str, Any]) -> str:
        answer = self.ada.post(path, body)
        assert answer.status_code == 201, answer.content
        return answer.json()["id"]

    def row(self, route: str) -> str:
        """The id of a row of the sort that an address is of."""
        sort = route.removeprefix("api/").partition("/")[0]
        if "alerts/rules" in route:
            return str(Rule.objects.create(watch="worker").uid)
        if "take-back" in route or "retry" in route:
            return str(self.job("cancelled").uid)
        hook = lambda: endpoint("https://hook.example/")  # noqa: E731
        made = {
            "jobs": lambda: self.job().uid,
            "apps": lambda: (
                watched("succeeded", params={"args": [1], "kwargs": {}}, headers={"arguments": "message"}).uid
            ),
            "account": lambda: self.made("tokens/", {"scope": "read"}),
            "tokens": lambda: self.made("tokens/", {"scope": "read"}),
            "webhooks": lambda: hook().uid,
            "deliveries": lambda: outbox.queue_test_delivery(hook()).uid,
            "feeds": lambda: Feed.objects.create(url="https://feed.example/").uid,
            "collections": lambda: Collection.objects.create(name="old", folder=str(self.images), owner=self.me).uid,
            "checks": lambda: Service.objects.create(url="https://service.example/").uid,
            "alerts": lambda: (
                Alert.objects.create(rule=Rule.objects.create(watch="worker"), opened_at=timezone.now()).uid
            ),
            "channels": lambda: channel("json://hooks.example/").uid,
            "people": lambda: accounts.invite("viewer", "", "ada")[0].uid,
            "schedules": lambda: self.made("schedules/", {"name": "nightly", "kind": "noop", "every_s": 600}),
        }
        return str(made[sort]())

    def watch(self) -> None:
        app = App.objects.create(name="shop", transport="redis", as_of=timezone.now())
        WatchedWorker.objects.create(
            app=app, name="w1@host", pid=1, since=timezone.now(), seen_at=timezone.now(), events="on", base=0
        )

    def body(self, call_: str) -> dict[str, Any]:
        method, _, route = call_.partition(" ")
        failures = {"kind": "noop", "key": "key"}
        rule = {"watch": "waiting", "queue": "default", "seconds": 60, "times": 5, "minutes": 10}
        url = {"url": "https://new.example/"}
        for part, body in {
            "account/password": {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW},
            "api/tokens/": {"scope": "read"},
            "share/": {"days": "7", "hours": "24", "origins": ""} if not route.startswith("api/") else {},
            "account/tokens/": {"name": "n", "scope": "read", "days": "7"},
            "bulk/": {"action": "cancel", "q": "kind:noop", "filter": {"kind": "noop"}},
            "jobs/picked": {"action": "cancel", "sure": "yes", "job": str(self.job().uid)},
            "api/failures/<name:group>/merge": {"into": "other:noop"},
            "api/failures/<name:group>/split": {}, "api/failures/<name:group>/snooze": {},
            "failures/merge": failures | {"into": "other"},
            "failures/split": failures | {"key": "other"},
            "failures": failures,
            "alerts/rules/": rule,
            "webhooks/new": url, "webhooks/<uuid:uid>/change": url, "api/webhooks/": url,
            "api/apps/<slug:app>/orders": {"order": "pool_grow", "n": 1},
            "/purge/": {"name": "celery"},
            "<slug:group>": {"limits-order": "rate_limit", "limits-kind": "shop.pay", "limits-rate": "10/m"},
            "people/invitations": {}, "people/invite": {"role": "viewer", "note": ""},
            "people/": {"user": person("vera").get_username(), "role": "operator", "on": "no"},
            "channels/new": (line := {"name": "ops", "url": SLACK}), "channels/<uuid:uid>/change": line,
            "api/channels/": line,
            "feeds/new": url, "feeds/<uuid:uid>/change": url, "api/feeds/": url,
            "api/collections/": {"name": "new", "folder": str(self.images)},
            "collections/new": {"name": "new", "folder": str(self.images)},
            "collections/<uuid:uid>/rename": {"name": "new"},
            "api/schedules/": {"name": "weekly", "kind": "noop", "every_s": 900},
            "schedules/new": (said := {"name": "weekly", "when": "every", "number": "10", "unit": "minute"}),
            "schedules/<uuid:uid>/change": said,
        }.items():  # fmt: skip
            if part in route:
                return self.trimmed(method, route, body)
        return {"kind": "noop"} if route == "api/jobs/" else {}

    def trimmed(self, method: str, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """A body of the API may have nothing but what it is for."""
        if not route.startswith("api/"):
            return body
        if method == "DELETE" or any(part in route for part in ("rotate", "test", "run/")):
            return {}
        left_out = {"q"} | ({"folder"} if method in ("PUT", "PATCH") else set())
        if method == "PATCH" and "schedules" in route:
            left_out.add("kind")
        return {name: value for name, value in body.items() if name not in left_out}

    def send(self, call_: str) -> Any:
        method, _, route = call_.partition(" ")
        if "failures" in route:
            self.job("failed"), self.job("failed", "other")
            if "split" in route:
                self.ada.post("failures/key:noop/merge/", {"into": "other:noop"})
            if "reopen" in route:
                self.ada.post("failures/handle/", {"kind": "noop", "key": "key"})
        group = "other:noop" if "split" in route else "key:noop"
        path = "/" + route.replace("<name:group>", group).replace("<name:kind>", "noop").replace(
            "<name:name>", "default"
        )
        if "<uuid:uid>" in path:
            path = path.replace("<uuid:uid>", self.row(route))
        if "<uuid:link>" in path:
            link = self.ada.post(
                path.partition("share/")[0].removeprefix("/api").replace("/jobs", "jobs", 1) + "share/", {}
            )
            path = path.replace("<uuid:link>", link.json()["id"])
        if "<slug:app>" in path:
            self.watch()
            path = (
                path.replace("<slug:app>", "shop").replace("<slug:group>", "limits").replace("<name:queue>", "celery")
            )
        body = self.body(call_)
        if route.startswith("api/"):
            return lambda: self.ada.send(method, path, body if method != "DELETE" else None)
        page = self.ada.client.get(path)
        forms = (
            [form for form in Forms(page.content.decode()).found if form.method == "POST"]
            if page.status_code == 200
            else []
        )
        typed = next((form.fields for form in forms if set(body) & set(form.fields)), {}) | body
        typed.pop("look", None)  # a button beside the one that is meant
        return lambda: self.ada.client.post(path, typed)


@pytest.mark.long
@pytest.mark.parametrize("route", ROUTES)
def test_it_leaves_an_entry(route, tmp_path, settings):
    settings.SIGNALBOX_IMAGE_ROOTS = [tmp_path]
    send = World(tmp_path).send(route)
    before = Entry.objects.count()
    answer = send()
    well = (200, 201, 202, 204) if route.partition(" ")[2].startswith("api/") else (302,)
    assert answer.status_code in well, (answer.status_code, answer.content[-1500:])
    done = Entry.objects.filter(outcome="done").count() - before
    if route in EXCEPTIONS:
        assert done == 0 and EXCEPTIONS[route]
    else:
        assert done >= 1, f"{route} changed something and left no entry"


def test_each_exception_is_a_route():
    assert EXCEPTIONS.keys() <= set(ROUTES)


def test_djangos_admin_leaves_entries_too_and_has_no_page_of_its_own_for_a_password():
    ada = call("ada").client
    person("vera")
    assert ada.post("/admin/password_change/", {"old_password": "x"}).headers["Location"] == "/account/password/"
    assert ada.get("/admin/password_change/done/").status_code == 302
    vera = person("vera")
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert ada.post(f"/admin/auth/user/{vera.pk}/password/", form).status_code == 302
    assert Entry.objects.filter(action="admin:changed", target__contains="vera", at__lte=timezone.now()).exists()
