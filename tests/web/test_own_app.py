"""The app of docs/your-own-pages.md, written down by its page alone: it brings a page, a live topic and a resource."""

import json
import re
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.support.processes import ROOT, wait_until

pytestmark = [pytest.mark.process, pytest.mark.pure]

TEXT = (ROOT / "docs/your-own-pages.md").read_text()
FILES = dict(re.findall(r"^`([\w/]+\.py)` .*?```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def product(new_product, tmp_path: Path):
    assert len(FILES) == 2
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "visitors/__init__.py").touch()
    return new_product(SIGNALBOX_APPS="visitors", PYTHONPATH=str(tmp_path)).start()


def test_the_app_of_the_page_has_a_link_a_live_page_and_a_resource(product):
    browser = product.browser()
    assert '<a href="/visitors/"' in browser.get(product.base_url, timeout=20).text
    page = browser.get(product.base_url + "visitors/", timeout=20)
    assert page.status_code == 200
    assert 'data-key="ada"' in page.text
    assert 'data-news="visitors"' in page.text
    (row,) = browser.get(product.base_url + "api/v1/visitors/", timeout=20).json()["results"]
    assert row["name"] == "ada"
    token = product.manage("token", "ada", "--scope", "read").stdout.strip()
    address = product.base_url.replace("http", "ws") + "ws/live/"
    with connect(address, subprotocols=["signalbox.v1"], additional_headers={"Authorization": f"Token {token}"}) as ear:
        ear.send(json.dumps({"type": "watch", "news": ["visitors"]}))

        def received() -> bool:
            frame = json.loads(ear.recv(timeout=20))
            return frame["type"] == "news" and "visitors" in frame["topics"]

        wait_until(received, 20, "the first news")  # all that is watched is news at first
        product.browser()  # somebody logs in
        wait_until(received, 20, "news of the login")
