"""A form that is older than the login: nothing is done, and nothing that was typed is lost."""

import pytest
from django.test import Client

from tasks.engine.models import Job
from tests.support.hostile import Forms
from tests.support.people import person

pytestmark = pytest.mark.django_db
TYPED = {"p-seconds": "17", "p-steps": "3", "once": "abc", "zone": "UTC", "csrfmiddlewaretoken": "a" * 32}


@pytest.fixture
def browser() -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("alice"), "django.contrib.auth.backends.ModelBackend")
    client.cookies["signalbox_csrf"] = "b" * 32
    return client


def old(browser: Client, origin: str | None = "http://testserver", **fields: str):
    headers = {"origin": origin} if origin else {}
    return browser.post("/submit/countdown/", TYPED | fields, headers=headers)


def test_what_was_typed_is_sent_again_by_one_press(browser):
    answer = old(browser, **{"p-fail": '"><script>alert(1)</script>'})
    assert answer.status_code == 403 and not Job.objects.exists()
    assert b"<script>alert" not in answer.content
    (form,) = [form for form in Forms(answer.content.decode()).found if "once" in form.fields]
    assert form.action == "/submit/countdown/"
    assert {name: form.fields[name] for name in TYPED if name != "csrfmiddlewaretoken"} == {
        name: value for name, value in TYPED.items() if name != "csrfmiddlewaretoken"
    }
    del form.fields["p-fail"]
    again = browser.post(form.action, form.fields, headers={"origin": "http://testserver"})
    assert again.status_code == 302 and Job.objects.get().params["seconds"] == 17


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_what_another_site_sent_is_not_offered(browser, origin):
    answer = old(browser, origin)
    assert answer.status_code == 403
    assert (
        b"expired" in answer.content and b"Send it again" not in answer.content and b'value="17"' not in answer.content
    )


def test_a_password_is_never_sent_back(browser):
    form = {"old_password": "secret words", "new_password1": "x", "csrfmiddlewaretoken": "a" * 32}
    answer = browser.post("/account/password/", form, headers={"origin": "http://testserver"})
    assert (
        answer.status_code == 403 and b"secret words" not in answer.content and b"Send it again" not in answer.content
    )
