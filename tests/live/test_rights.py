"""Sockets are closed when the login they came by ends or the role is taken away."""

import pytest

from live.auth import Visitor
from tasks.access import permissions
from tasks.access.models import Session
from tasks.access.sessions import SessionStore, digest
from tests.support.live_hub import Tab, running
from tests.support.live_parts import session, until
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings):
    settings.SIGNALBOX_RECONCILE_S = 0.2


def visitor(name):
    user = person(name)
    key = session(user)
    data = Session.objects.get(pk=digest(key))
    return Visitor(
        user.pk, name, permissions.YES, session=key, data=data.session_data, proof=data.get_decoded()["_auth_user_hash"]
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("withdraw", "code"),
    [
        (lambda user, key: Session.objects.filter(pk=digest(key)).delete(), 4401),
        (lambda user, key: (user.set_password("another pass phrase"), user.save()), 4401),
        (lambda user, key: type(user).objects.filter(pk=user.pk).update(is_active=False), 4401),
        (lambda user, key: user.delete(), 4401),
        (lambda user, key: user.groups.clear(), 4403),
    ],
    ids=["logout", "password", "inactive", "deleted", "role"],
)
async def test_a_withdrawn_right_closes_the_socket(rows, withdraw, code):
    async with running() as hub:
        vera, bob = await rows(visitor, "vera"), await rows(visitor, "bob")
        leaving, staying = Tab(hub, vera).watch(), Tab(hub, bob).watch()
        await until(lambda: leaving.of("snapshot") and staying.of("snapshot"))
        assert leaving.closed is None
        await rows(lambda: withdraw(person("vera"), vera.session))
        await until(lambda: leaving.closed)
        assert leaving.closed[0] == code
        assert staying.closed is None


async def test_a_session_that_changes_stays(rows):
    def touch(key):
        store = SessionStore(key)
        store["seen"] = 1
        store.save()

    async with running() as hub:
        vera = await rows(visitor, "vera")
        tab = Tab(hub, vera).watch()
        await rows(touch, vera.session)
        done = hub.counters.reconciles
        await until(lambda: hub.counters.reconciles > done + 2)
        assert tab.closed is None
