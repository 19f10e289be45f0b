"""A user model without ``username``: people come in, have roles, own jobs, and are found by their names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

CODE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
from django.contrib.auth import get_user_model
from django.test import Client
from tasks.access.permissions import Actor, role_of
from tasks.access import actions
from tasks.people import accounts, oidc, views
from project import first_admin
import os

os.environ |= {"SIGNALBOX_ADMIN_USER": "ada@shop.example", "SIGNALBOX_ADMIN_PASSWORD": "a long enough pass phrase"}
first_admin.admin_from_environment(), first_admin.admin_from_environment()
ada = get_user_model().objects.get()
job, _ = actions.submit(Actor.of(ada), "noop", {})
assert job.summary()["owner"] == ada.get_username() == "ada@shop.example"
client = Client(raise_request_exception=True)
typed = {"username": "ada@shop.example", "password": "a long enough pass phrase"}
assert client.post("/login/", typed).status_code == 302
pages = ("/", "/jobs/", "/jobs/?q=owner:ada@shop.example", "/people/", "/account/", "/audit/", "/admin/door/token/?q=a")
for path in pages:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
assert "ada@shop.example" in client.get("/people/").text
assert len(client.get("/api/v1/jobs/?owner=ada@shop.example").json()["results"]) == 1
row, token = accounts.invite("operator", "", "ada")
said = {"email": "grace@shop.example", "password1": "another long phrase", "password2": "another long phrase"}
assert "Email" in Client().get(f"/join/{token}/").text
assert Client().post(f"/join/{token}/", said).status_code == 302
assert role_of(get_user_model().objects.get(email="grace@shop.example")) == "operator"
assert oidc.name_of({"email": "heidi@shop.example", "preferred_username": "heidi"}) == "heidi@shop.example"
assert accounts.admins() == ["ada@shop.example"]
print("all well")
"""


@pytest.mark.process
@pytest.mark.pure
def test_a_user_model_that_knows_people_by_their_mail_address(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.people.mailusers.settings", "SIGNALBOX_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.endswith("all well\n"), done.stderr[-3_000:]
