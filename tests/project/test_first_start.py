"""The first admin: a link that works once, for an hour, by POST, and only while there is no admin."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from project import first_admin
from tests.support.processes import Product, csrf, wait_until

FORM = {"username": "ada", "password1": "a long enough pass phrase", "password2": "a long enough pass phrase"}
User = get_user_model()


@pytest.fixture
def home(tmp_path: Path, settings) -> Path:
    settings.SIGNALBOX_HOME = tmp_path
    return tmp_path


@pytest.fixture
def token(db: None, home: Path) -> str:
    return first_admin.open_link(home)


def test_the_link_makes_an_admin_who_is_logged_in_and_then_it_is_dead(client: Client, token: str) -> None:
    assert client.get(f"/start/{token}/").status_code == 200
    answer = client.post(f"/start/{token}/", FORM)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    ada = User.objects.get()
    assert (ada.username, ada.is_superuser, ada.is_staff) == ("ada", True, True)
    assert ada.check_password(FORM["password1"])
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert client.get(f"/start/{token}/").status_code == 404
    assert client.post(f"/start/{token}/", FORM | {"username": "eve"}).status_code == 404
    assert User.objects.count() == 1


def test_the_log_in_page_says_where_the_link_is_until_there_is_an_admin(client: Client, token: str) -> None:
    assert "Nobody can log in yet" in client.get("/login/").text
    client.post(f"/start/{token}/", FORM)
    assert "Nobody can log in yet" not in Client().get("/login/").text


def test_looking_does_not_use_it_and_mistakes_do_not_either(client: Client, token: str) -> None:
    for _ in range(3):
        assert client.get(f"/start/{token}/").status_code == 200
        assert client.head(f"/start/{token}/").status_code == 405
    for wrong in ({"password2": "another one"}, {"username": ""}, {"password1": "1234", "password2": "1234"}):
        assert client.post(f"/start/{token}/", FORM | wrong).status_code == 422
    assert not User.objects.exists()
    assert client.post(f"/start/{token}/", FORM).status_code == 302


def test_a_wrong_token_is_not_found(client: Client, token: str) -> None:
    for wrong in ("x", token[:-1], token + "x", token.swapcase()):
        assert client.get(f"/start/{wrong}/").status_code == 404
        assert client.post(f"/start/{wrong}/", FORM).status_code == 404


def test_only_a_digest_is_stored_and_only_for_the_owner(token: str, home: Path) -> None:
    file = home / first_admin.FILE
    assert len(token) == 43  # 32 bytes
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_ends_after_an_hour(client: Client, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = first_admin.time.time()
    monkeypatch.setattr(first_admin.time, "time", lambda: now + 3590)
    assert client.get(f"/start/{token}/").status_code == 200
    monkeypatch.setattr(first_admin.time, "time", lambda: now + 3610)
    assert client.get(f"/start/{token}/").status_code == 404
    assert client.post(f"/start/{token}/", FORM).status_code == 404


def test_a_restart_replaces_it(client: Client, token: str, home: Path) -> None:
    second = first_admin.open_link(home)
    assert second != token
    assert client.get(f"/start/{token}/").status_code == 404
    assert client.get(f"/start/{second}/").status_code == 200


def test_it_is_dead_once_an_admin_exists(client: Client, token: str, home: Path) -> None:
    User.objects.create_superuser("root", "", "x")
    assert client.get(f"/start/{token}/").status_code == 404
    assert client.post(f"/start/{token}/", FORM).status_code == 404
    assert first_admin.open_link(home) is None
    assert not (home / first_admin.FILE).exists()


def test_an_admin_who_was_switched_off_does_not_count(db: None, home: Path) -> None:
    User.objects.create_superuser("root", "", "x", is_active=False)
    assert first_admin.open_link(home)


def test_of_two_who_use_it_at_the_same_time_one_wins(token: str, home: Path) -> None:
    assert [first_admin.use(home, token), first_admin.use(home, token)] == [True, False]


def test_the_form_is_protected_against_other_sites(token: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/start/{token}/", FORM).status_code == 403
    assert not User.objects.exists()


def test_the_page_is_not_kept_by_caches_and_not_sent_to_other_sites(client: Client, token: str) -> None:
    page = client.get(f"/start/{token}/")
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_the_environment_makes_the_admin_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_ADMIN_USER", "ada")
    monkeypatch.setenv("SIGNALBOX_ADMIN_PASSWORD", "first")
    first_admin.admin_from_environment()
    monkeypatch.setenv("SIGNALBOX_ADMIN_PASSWORD", "second")
    first_admin.admin_from_environment()
    ada = User.objects.get()
    assert ada.is_superuser
    assert ada.check_password("first"), "a restart must not change a password"
    monkeypatch.delenv("SIGNALBOX_ADMIN_USER")
    with pytest.raises(ImproperlyConfigured, match="only work together"):
        first_admin.admin_from_environment()


@pytest.mark.process
@pytest.mark.pure
def test_up_prints_the_link_only_while_nobody_can_log_in(new_product: Callable[..., Product]) -> None:
    product = new_product(admin=False, migrated=False).start()
    reported = wait_until(lambda: product.log().partition("within the hour: ")[2].partition("\n")[0])
    link = reported.split()[0]
    assert link.startswith(product.base_url + "start/")
    session = requests.Session()
    assert session.get(link, timeout=10).status_code == 200
    answer = session.post(link, FORM | {"csrfmiddlewaretoken": csrf(session)}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    assert session.get(product.base_url, allow_redirects=False, timeout=10).status_code == 200
    groups = (
        "from django.contrib.auth.models import Group as G; print(*sorted(G.objects.values_list('name', flat=True)))"
    )
    assert product.python(groups) == "admin operator viewer"  # without anybody making them
    product.stop()
    seen = len(product.log())
    product.start()
    assert "within the hour" not in product.log()[seen:]
    assert json.loads((product.home / "up.json").read_text())["pid"] == product.pid
