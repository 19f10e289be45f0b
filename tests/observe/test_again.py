"""Running a watched task again from its page: real arguments at once, text only after a person has confirmed it."""

import pytest
from django.test import Client

from tasks.access.models import Entry
from tasks.engine import sealing
from tasks.engine.models import Job
from tasks.observe import drafts
from tasks.observe.models import App, Order
from tests.observe.test_api import shop
from tests.observe.test_pages import page
from tests.support.people import person
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db
REAL = {"params": {"args": [7], "kwargs": {"b": 1}}, "headers": {"arguments": "message"}}
TEXT = {"params": {"args": "(7, 'a')", "kwargs": "{'b': None}"}, "headers": {"arguments": "text"}}


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def address(task) -> str:
    return f"/apps/{task.app}/tasks/{task.uid}/again/"


def test_one_press_sends_a_task_with_its_real_arguments_once():
    shop()
    task = watched("failed", **REAL)
    assert ">Run again<" in page("bob", f"/jobs/{task.uid}/")
    bob = signed_in("bob")
    for _ in range(2):
        html = bob.post(address(task), {"once": "1"}, follow=True).content.decode()
        assert "Asked: it is sent within a second" in html
    order = Order.objects.get()
    assert (order.order, order.job, order.who, order.values["confirmed"]) == ("run_again", task.uid, "bob", False)
    assert sealing.unseal(order.secrets) == {"args": [7], "kwargs": {"b": 1}}
    assert f'href="/jobs/{order.values["task"]}/"' in html and "Run again" in html and "Asked" in html
    assert Entry.objects.get(action="watched.run_again", outcome="done").who == "bob"


def test_the_page_says_why_it_is_not_offered():
    shop()
    html = page("bob", f"/jobs/{watched('failed', queue='shop:', **REAL).uid}/")
    assert ">Another run<" in html and "not possible: Its queue is not known" in html


def test_sealed_arguments_are_sent_as_they_are_and_shown_masked():
    shop()
    real = {"args": [], "kwargs": {"api_key": "hunter2"}}
    task = watched("succeeded", params={"args": [], "kwargs": {"api_key": "•••"}}, headers={"arguments": "inspect"},
                   secrets=sealing.seal({"real": real}))  # fmt: skip
    html = signed_in("bob").post(address(task), follow=True).content.decode()
    assert "hunter2" not in html
    assert sealing.unseal(Order.objects.get().secrets) == real
    task.secrets = "torn"
    task.save(update_fields=["secrets"])
    assert "cannot be read any more" in signed_in("bob").post(address(task), follow=True).content.decode()


def test_text_fills_a_form_and_is_sent_only_when_it_is_confirmed():
    shop()
    task = watched("succeeded", **TEXT)
    html = page("bob", f"/jobs/{task.uid}/")
    assert ">Run again…<" in html and ">Run again<" not in html
    bob = signed_in("bob")
    html = bob.get(address(task)).content.decode()
    assert "need not be the arguments" in html and "&quot;a&quot;" in html and "&quot;b&quot;: null" in html
    given = {"args": '[7, "b"]', "kwargs": '{"b": 2}'}
    assert bob.post(address(task), given).status_code == 422, "it was not confirmed"
    assert bob.post(address(task), {}).status_code == 422
    assert not Order.objects.exists()
    assert bob.post(address(task), given | {"read": "on"}).status_code == 302
    order = Order.objects.get()
    assert sealing.unseal(order.secrets) == {"args": [7, "b"], "kwargs": {"b": 2}}
    assert order.values["confirmed"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("args", "{}"), ("args", "[1"), ("args", "[" * 30 + "]" * 30), ("args", '["•••"]'),
        ("args", "__import__('os')"),
        ("args", f'["{"x" * 70_000}"]'), ("kwargs", "[]"), ("kwargs", "null"), ("kwargs", ""),
        ("kwargs", '{"api_key": "•••"}'),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_at_their_field(field, value):
    shop()
    task = watched("succeeded", **TEXT)
    answer = signed_in("bob").post(address(task), {"args": "[]", "kwargs": "{}", "read": "on", field: value})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {field}
    assert not Order.objects.exists()


def test_who_may_not_submit_neither_sees_it_nor_does_it():
    shop()
    task = watched("succeeded", **REAL)
    assert "Run again" not in page("vera", f"/jobs/{task.uid}/")
    vera = signed_in("vera")
    assert (vera.get(address(task)).status_code, vera.post(address(task)).status_code) == (403, 403)
    assert Client().post(address(task)).status_code == 302
    assert not Order.objects.exists()
    assert Entry.objects.filter(who="vera", outcome="refused").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"queue": "shop:"}, "Its queue is not known"),
        ({"headers": {"arguments": "text"}, "params": {"args": "(1, 'x...')"}}, "only known as text"),
        ({"headers": {}, "params": {}}, "only known as text"),
    ],
)
def test_what_cannot_be_sent_is_not_offered_and_says_why(more, said):
    shop()
    task = watched(**({"state": "succeeded"} | REAL | more))
    assert "Run again" not in page("bob", f"/jobs/{task.uid}/")
    assert said in signed_in("bob").post(address(task), follow=True).content.decode()
    assert not Order.objects.exists()


def test_a_task_that_runs_is_offered_again_on_its_open_page_when_it_has_ended():
    shop()
    task = watched("running", **REAL)
    assert 'cancelled unknown" hidden>Run again…<' in page("bob", f"/jobs/{task.uid}/")
    bob = signed_in("bob")
    assert "It has not ended" in bob.post(address(task), follow=True).content.decode()
    assert "It has not ended" in bob.get(address(task)).content.decode()
    assert not Order.objects.exists()
    Job.every.filter(uid=task.uid).update(state="succeeded")
    html = bob.get(address(task)).content.decode()
    assert ">Run it again<" in html and "for people" not in html and "textarea" not in html
    assert bob.post(address(task)).status_code == 302
    assert Order.objects.get().values["confirmed"] is False


def test_nothing_is_offered_in_a_read_only_watch_nor_of_an_application_that_is_not_watched(settings):
    shop()
    task = watched("succeeded", **REAL)
    settings.SIGNALBOX_OBSERVE_READONLY = True
    assert "Run again" not in page("bob", f"/jobs/{task.uid}/")
    settings.SIGNALBOX_OBSERVE_READONLY = False
    App.objects.update(watched=False)
    assert "Run again" not in page("bob", f"/jobs/{task.uid}/")
    assert "no longer watched" in signed_in("bob").post(address(task), follow=True).content.decode()


def test_a_task_of_our_own_or_of_another_application_is_not_found():
    shop()
    task = watched("succeeded", **REAL)
    assert signed_in("bob").post(f"/apps/crm/tasks/{task.uid}/again/").status_code == 404


@pytest.mark.parametrize(
    ("args", "kwargs", "wanted"),
    [
        ("(1, 'a', None, True, 1.5)", "{}", ([1, "a", None, True, 1.5], {})),
        ("[1, (2, [3])]", "{'a': {'b': [1]}}", ([1, [2, [3]]], {"a": {"b": [1]}})),
        ("", "", ([], {})),
        ("('***',)", "{}", (["***"], {})),
        ("('xxx...',)", "{}", None),
        ("({'a': {'b': {...}}},)", "{}", None),
        ("(Ellipsis,)", "{}", None),
        ("(1, 2", "{}", None),
        ("(b'x',)", "{}", None),
        ("({1, 2},)", "{}", None),
        ("(1j,)", "{}", None),
        ("()", "{1: 2}", None),
        ("()", "[]", None),
        ("__import__('os').system('x')", "{}", None),
        ("(" * 400, "{}", None),
        ("(" + "-" * 900 + "1,)", "{}", None),
        (f"('{'x' * 1_000}',)", "{}", None),
        ({"a": 1}, "{}", None),
    ],
)  # fmt: skip
def test_a_draft_is_made_of_whole_plain_values_only(args, kwargs, wanted):
    found = drafts.of(args, kwargs)
    assert (found and tuple(found)) == wanted
