"""An application that is not ours, on our pages: a plain Celery worker and a real observer, nothing changed there."""

import re
from collections.abc import Iterator

import pytest
from kombu import pools
from playwright.sync_api import Browser, Page, expect

from tasks.engine.celery_app import app
from tests.browser.test_live_kinds import SLOW, live, looks_well, press
from tests.browser.watcher import Watcher
from tests.support.processes import Product, wait_until
from tests.support.servers import Servers
from tests.support.watched import OwnRedis, Shop

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def shop(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    pools.reset()  # what a pooled connection has declared would not be declared again
    app._after_fork()
    shop = Shop(servers, folder, OwnRedis(servers, folder / "redis").url())
    shop.start()
    yield shop
    shop.stop()


@pytest.fixture(scope="module")
def watching(servers: Servers, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(servers, tmp_path_factory.mktemp("watching"), SIGNALBOX_OBSERVE=f"shop={shop.broker}").start()
    yield product
    product.stop()


@pytest.fixture(scope="module")
def state(chromium: Browser, watching: Product) -> dict:
    page = chromium.new_page(base_url=watching.base_url)
    page.goto("login/")
    page.get_by_label("User name").fill(watching.user)
    page.get_by_label("Password").fill(watching.password)
    press(page, "Log in")
    page.wait_for_url(watching.base_url)
    found = page.context.storage_state()
    page.close()
    return found


@pytest.fixture
def page(chromium: Browser, watching: Product, state: dict) -> Iterator[Page]:
    """Replaces the one of the package: a page of the product that watches."""
    context = chromium.new_context(base_url=watching.base_url, storage_state=state, locale="en-GB")
    context.set_default_timeout(SLOW)
    page = context.new_page()
    complaints = Watcher(page).complaints
    live(page, "apps/shop/")
    expect(page.get_by_text("1 of 1 worker sends events").or_(page.get_by_text("1 of 1 workers send"))).to_be_visible(
        timeout=SLOW
    )
    yield page
    context.close()
    assert [said for said in complaints if "422" not in said] == []  # a form that was not sent


def test_a_failure_there_comes_onto_the_board_and_into_a_group(page: Page, shop: Shop) -> None:
    live(page, "")
    task = shop.send("fail", "the disc is full")
    row = page.locator(f"[data-job='{task}']").first
    expect(row).to_contain_text("ValueError: the disc is full", timeout=SLOW)
    expect(row.locator(".app-mark")).to_have_text("shop")
    expect(row.locator("[data-part=remark]").first).to_have_text("celery")  # its worker serves no other queue
    expect(page.locator("[data-why=failed]")).to_contain_text("failed in the last hour", timeout=SLOW)
    looks_well(page)
    live(page, "failures/")
    group = page.locator(".group", has_text="the disc is full")
    expect(group).to_contain_text("shop.fail")
    looks_well(page)
    group.get_by_role("button", name="Mark as handled").click()
    expect(page.get_by_text("Marked as handled")).to_be_visible()
    expect(page.locator(".group", has_text="the disc is full")).to_have_count(0)
    live(page, "failures/?show=handled&app=shop")
    expect(page.locator(".group", has_text="the disc is full")).to_have_count(1)


def test_a_task_is_run_again_with_the_arguments_that_a_person_confirms(page: Page, shop: Shop) -> None:
    task = shop.send("add", 2, kwargs={"b": 3})
    wait_until(lambda: task in shop.diary(), 30, "the task")
    page.goto(f"jobs/{task}/")
    wait_until(lambda: page.reload().status == 200, 30, "its row")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Succeeded", timeout=SLOW)
    expect(page.locator("[data-log]")).to_be_hidden()
    looks_well(page)
    page.get_by_role("link", name="Run again…").click()
    looks_well(page)
    before = page.context.new_page()
    live(before, "jobs/?q=app:shop kind:shop.add")
    expect(before.locator("[data-list] > li")).to_have_count(1)
    press(page, "Run it again")
    expect(page.get_by_role("alert")).to_contain_text("Not sent")  # nobody said that these are the arguments
    page.get_by_label("Keyword arguments").fill('{"b": 40}')
    page.get_by_label("I have read them").check()
    press(page, "Run it again")
    expect(page).not_to_have_url(re.compile("/again/"))
    wait_until(lambda: len(shop.diary()) and any(each != task for each in shop.diary()), 30, "the new task")
    before.get_by_role("link", name="1 new").click(timeout=SLOW)  # no row pushes in
    expect(before.locator("[data-list] > li")).to_have_count(2)
    expect(before.get_by_role("link", name="Unknown")).to_be_visible()  # a state that only watched tasks have


@pytest.mark.parametrize("address", ["apps/", "apps/shop/", "workers/", "jobs/?q=app:shop"])
def test_a_page_looks_well(page: Page, address: str) -> None:
    live(page, address)
    looks_well(page)


def test_the_page_of_workers_counts_what_they_begin(page: Page, shop: Shop) -> None:
    live(page, "workers/")
    row = page.locator("[data-keep=watched-workers] > tr")
    expect(row).to_have_count(1)
    began = int(row.locator("[data-label=Began]").inner_text().replace(",", ""))
    shop.send("add", 1)
    expect(row.locator("[data-label=Began]")).to_have_text(f"{began + 1:,}", timeout=SLOW)
    expect(page.locator("[data-keep=watched-queues] > tr")).not_to_have_count(0)
    looks_well(page)


def test_what_a_worker_is_asked_is_answered_on_the_page(page: Page) -> None:
    page.get_by_text("Limits of a task").click()
    form = page.locator("details", has_text="Limits of a task")
    looks_well(page)
    form.get_by_label("Name of the task").fill("shop.add")
    form.get_by_label("Rate").fill("10/m")
    form.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("new rate limit set successfully")).to_be_visible(timeout=SLOW)
    looks_well(page)
