"""The table of rights: every role and every token scope against every action, as the contract has it."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import DatabaseError, connection, transaction

from tasks.access.models import Entry, Token, Unchangeable
from tasks.access.permissions import NO, OWN, RULES, YES, Actor, grant, may, visible
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.people import person

pytestmark = pytest.mark.django_db

PEOPLE = ("vera", "alice", "ada")  # viewer, operator, admin
SCOPES = ("read", "submit", "manage")

# What is promised, written down a second time: viewer operator admin, then tokens (of an admin) read submit manage.
PROMISED = {
    "page": "yes yes yes no no no",
    "live": "yes yes yes yes own yes",
    "board": "yes yes yes yes no yes",
    "see": "yes yes yes yes own yes",
    "kinds": "yes yes yes yes yes yes",
    "submit": "no yes yes no yes yes",
    "chores": "no no yes no no yes",
    "order": "no yes yes no yes yes",
    "cancel": "no yes yes no own yes",
    "retry": "no yes yes no own yes",
    "take_back": "no yes yes no own yes",
    "share": "no yes yes no own yes",
    "bulk": "no yes yes no no yes",
    "pause": "no yes yes no no yes",
    "run_schedule": "no yes yes no no yes",
    "replay": "no yes yes no no yes",
    "see_schedules": "yes yes yes yes no yes",
    "change_schedules": "no no yes no no yes",
    "see_webhooks": "no yes yes no no yes",
    "change_webhooks": "no no yes no no yes",
    "channels": "no no yes no no yes",
    "callback_secret": "no yes yes no no yes",
    "see_rows": "yes yes yes yes no yes",
    "change_rows": "no yes yes no no yes",
    "see_tokens": "yes yes yes yes no yes",
    "change_tokens": "yes yes yes no no yes",
    "audit": "no no yes no no no",
    "people": "no no yes no no no",
    "steer": "no no yes no no yes",
    "purge": "no no yes no no yes",
    "metrics": "no no yes yes no yes",
}


def token(name: str, scope: str) -> Token:
    return Token.objects.make(person(name), scope)[0]


def test_every_rule_of_the_table_is_promised_and_every_promise_has_its_rule():
    assert PROMISED.keys() == RULES.keys()


@pytest.mark.long
@pytest.mark.parametrize("action", RULES)
def test_the_table_grants_what_is_promised(action):
    by_role = [grant(person(name), action) for name in PEOPLE]
    by_scope = [grant(token("ada", scope), action) for scope in SCOPES]
    assert " ".join(by_role + by_scope) == PROMISED[action]


@pytest.mark.parametrize("action", RULES)
def test_nobody_without_a_role_may_anything(action):
    charlie = person("charlie")
    assert {grant(who, action) for who in (None, AnonymousUser(), charlie)} == {NO}
    assert {grant(token("charlie", scope), action) for scope in SCOPES} == {NO}
    assert not may(charlie, action) and not may(None, action)


@pytest.mark.long
@pytest.mark.parametrize("action", RULES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", PEOPLE)
def test_a_token_never_exceeds_its_owner(name, scope, action):
    order = (NO, OWN, YES)
    assert order.index(grant(token(name, scope), action)) <= order.index(grant(person(name), action))


def test_what_the_owner_loses_the_token_loses():
    manage = token("alice", "manage")
    assert may(manage, "pause")
    person("alice").groups.set([Group.objects.get_or_create(name="viewer")[0]])
    again = Token.objects.live().get(pk=manage.pk)
    assert not may(again, "pause") and may(again, "see")
    manage.user.is_active = False
    manage.user.save()
    assert not Token.objects.live().filter(pk=manage.pk).exists()
    assert not may(Token.objects.get(pk=manage.pk), "see")


def test_own_means_jobs_of_the_owner_of_the_token():
    mine = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    theirs = lifecycle.submit("noop", {}, owner=person("bob"))[0]
    nobodys = lifecycle.submit("noop", {})[0]
    submit = token("alice", "submit")
    assert [may(submit, "cancel", job) for job in (mine, theirs, nobodys)] == [True, False, False]
    assert may(submit, "cancel") and not may(submit, "board")
    assert list(visible(submit, Job.objects.all())) == [mine]
    assert visible(person("bob"), Job.objects.all()).count() == 3
    assert visible(person("charlie"), Job.objects.all()).count() == 0
    assert may(person("bob"), "cancel", mine)  # an operator operates everybody's jobs


def test_a_superuser_is_an_admin_and_the_strongest_group_counts():
    charlie = person("charlie")
    charlie.is_superuser = True
    assert Actor.of(charlie).role == "admin"
    vera = person("vera")
    vera.groups.add(Group.objects.get_or_create(name="operator")[0])
    assert Actor.of(vera).role == "operator"
    vera.groups.clear()
    assert Actor.of(vera).role == "nobody"  # the same object, asked again


def test_only_admins_have_permissions_in_djangos_admin():
    assert person("ada").has_perm("auth.change_user")
    assert not any(person(name).has_perm("auth.change_user") for name in ("alice", "vera", "charlie"))


def test_an_audit_entry_is_never_changed():
    entry = Entry.objects.create(who="alice", via="session", action="cancel", outcome="done")
    entry.outcome = "refused"
    for change in (entry.save, entry.delete, Entry.objects.all().delete, lambda: Entry.objects.update(who="bob")):
        with pytest.raises(Unchangeable):
            change()
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE door_entry SET who = 'bob'")  # not even so
    assert Entry.objects.get().who == "alice"
