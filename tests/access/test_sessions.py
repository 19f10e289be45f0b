"""Sessions: whoever reads the table logs in with none of it, and an upgrade under way logs nobody out."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from live import auth
from tasks.access import sessions
from tasks.access.models import Session
from tasks.access.sessions import ROLLING, SessionStore, digest, kept_as
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db
OLD_KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(autouse=True)
def just_started(monkeypatch):
    monkeypatch.setattr(sessions, "_settled", False)


def upgraded(ago: timedelta) -> None:
    """As if the version before had run for long, and this one had come so long ago."""
    rows = MigrationRecorder(connection).migration_qs.filter(app="door")
    now = datetime.now(UTC)
    rows.filter(name="0004_sessions").update(applied=now - timedelta(days=30))
    rows.filter(name="0006_digests").update(applied=now - ago)


def old_session(name: str, key: str = OLD_KEY) -> Client:
    """A browser that logged in with the version before."""
    browser = call(name).client
    cookie = browser.cookies["signalbox_session"]
    Session.objects.filter(pk__in=kept_as(cookie.value)).update(session_key=key)
    browser.cookies["signalbox_session"] = key
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/jobs/").status_code == 200


def test_the_table_has_no_key_and_nothing_of_it_lets_anybody_in():
    browser = call("ada").client
    key = browser.cookies["signalbox_session"].value
    (row,) = Session.objects.all()
    assert key not in row.session_key + row.session_data
    thief = Client()
    for stolen in (row.session_key, row.session_key.removeprefix("h$")):
        thief.cookies["signalbox_session"] = stolen
        assert not is_in(thief)
        assert auth._sessions({stolen}) == {}
    assert is_in(browser)
    assert auth._sessions({key}) == {key: row.session_data}


def test_while_versions_change_both_know_every_session():
    upgraded(timedelta(minutes=5))
    browser = call("alice").client  # logs in with the new version
    key = browser.cookies["signalbox_session"].value
    assert Session.objects.filter(pk=key).exists(), "a process of the old version looks for the key"
    before = old_session("bob")
    assert is_in(browser) and is_in(before)
    assert set(Session.objects.values_list("pk", flat=True)) == {key, OLD_KEY}
    before.post("/logout/")
    assert not Session.objects.filter(pk=OLD_KEY).exists()


def test_after_an_hour_all_keys_are_digests_and_nobody_was_logged_out():
    upgraded(timedelta(minutes=5))
    before = old_session("bob")
    upgraded(ROLLING + timedelta(minutes=1))
    sessions._settled = False
    assert is_in(before)
    assert list(Session.objects.values_list("pk", flat=True)) == [digest(OLD_KEY)]
    assert is_in(before)
    assert call("alice").client.cookies["signalbox_session"].value not in Session.objects.values_list("pk", flat=True)


def test_before_the_migrations_ran_keys_are_as_the_version_before_knows_them():
    MigrationRecorder(connection).migration_qs.filter(app="door", name="0006_digests").delete()
    store = SessionStore()
    store.create()
    assert Session.objects.get().pk == store.session_key


def test_a_store_does_all_that_djangos_does():
    store = SessionStore()
    store["seen"] = 1
    store.create()
    first = store.session_key
    assert SessionStore(first)["seen"] == 1
    assert store.exists(first) and not store.exists("x" * 32)
    store.cycle_key()
    assert store.session_key != first and not store.exists(first) and store["seen"] == 1
    store["seen"] = 2
    store.save()
    again = SessionStore(store.session_key)
    assert again["seen"] == 2 and Session.objects.count() == 1
    store.delete()
    again["seen"] = 3
    with pytest.raises(UpdateError):
        again.save()
    again.flush()
    assert Session.objects.count() == 0 and again.session_key is None


@pytest.mark.django_db(transaction=True)
async def test_and_so_does_its_asynchronous_half():
    store = SessionStore()
    await store.aset("seen", 1)
    await store.acreate()
    assert await SessionStore(store.session_key).aget("seen") == 1
    assert await store.aexists(store.session_key)
    assert (await Session.objects.aget()).pk == digest(store.session_key)
    await store.adelete()
    assert not await Session.objects.aexists()


def test_logging_out_everywhere_ends_them_all():
    browsers = [call("ada").client for _ in range(2)]
    sessions.end_all(person("ada"))
    assert not any(map(is_in, browsers))
