"""Under a path of the host, what scripts address lies there too: the socket, and the links that they make."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.processes import Product

pytestmark = pytest.mark.process


def test_the_scripts_of_a_page_under_a_prefix(chromium: Browser, new_product) -> None:
    product: Product = new_product("--server", "uvicorn", SIGNALBOX_PREFIX="/box").start()
    base = f"{product.base_url}box/"
    assert f"Signalbox is ready: {base}" in product.log()
    page = chromium.new_context().new_page()
    page.set_default_timeout(15_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:", 1)))
    page.goto(f"{base}login/")
    page.get_by_label("User name").fill(product.user)
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(base)
    product.manage("submit", "countdown", "seconds=60")
    row = page.locator("[data-list=running] > [data-job]")
    expect(row).to_have_count(1, timeout=30_000)  # by the socket: the page was painted before
    page.goto(f"{base}workers/")
    link = page.locator("a[href*='/jobs/']").filter(has_text=re.compile(r"[0-9a-f]{4,}|countdown")).first
    expect(link).to_be_visible()
    assert link.get_attribute("href").startswith("/box/jobs/")
    assert asked and all(url.startswith(base) for url in asked), [url for url in asked if not url.startswith(base)]
    page.context.close()
