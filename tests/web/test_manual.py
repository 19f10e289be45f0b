"""The manual in the product: each page of docs/ is there, and each of its links leads somewhere."""

import re
from posixpath import join, normpath

import pytest
from django.test import Client

from tasks.web import manual
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.force_login(person("vera"), "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.long
def test_every_page_is_there_and_its_links_lead_somewhere(reader):
    pages = {name: reader.get(f"/docs/{name}") for name in manual.files()}
    assert {answer.status_code for answer in pages.values()} == {200}
    texts = {name: answer.text for name, answer in pages.items() if name.endswith(".md")}
    assert len(texts) > 30
    for name, text in texts.items():
        article = text[text.index("<article") :]
        for target in re.findall(r'(?:href|src)="([^":]*)"', article[: article.index("</article>")]):
            path, _, anchor = target.partition("#")
            there = normpath(join(name, "..", path)) if path else name
            assert there in pages, (name, target)
            assert not anchor or f'id="{anchor}"' in texts[there], (name, target)


def test_the_first_page_leads_to_the_api_and_shows_tables(reader):
    page = reader.get("/docs/").text
    assert 'href="api/quickstart.md"' in page and '<table class="table">' in page
    assert "{{" not in page and "|---|" not in page


def test_pictures_are_pictures(reader):
    assert reader.get("/docs/lifecycle.svg")["Content-Type"] == "image/svg+xml"
    assert reader.get("/docs/screenshots/board.png")["Content-Type"] == "image/png"


@pytest.mark.parametrize("path", ["nothing.md", "../manage.py", "..%2Fmanage.py", "screenshots/", "%2Fetc%2Fpasswd"])
def test_there_is_nothing_else(reader, path):
    assert reader.get(f"/docs/{path}").status_code == 404


def test_it_is_for_those_who_are_logged_in():
    assert Client().get("/docs/api/guide.md").status_code == 302
