#!/usr/bin/env python
"""Takes pictures of every page of a running Signalbox, in both themes and three widths.

    SIGNALBOX_ADMIN_USER=… SIGNALBOX_ADMIN_PASSWORD=… script/screenshots.py http://127.0.0.1:8000/ docs/pictures

It logs in as that user, submits a few sample jobs so that there is something to see, and takes what it finds.
Options choose pages, themes, widths and the part of a page that counts; --help names them.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAGES = {
    "board": "", "jobs": "jobs/", "submit": "submit/countdown/", "workers": "workers/", "audit": "audit/",
    "failures": "failures/", "charts": "charts/", "charts-day": "charts/?period=24h", "self-test": "self-test/",
    "bulk": "jobs/bulk/?action=cancel&q=kind:countdown", "search": "jobs/?q=state:failed", "alerts": "alerts/",
    "schedules": "schedules/", "webhooks": "webhooks/", "feeds": "feeds/", "collections": "collections/",
    "checks": "checks/",
    "running": "", "failed": "", "succeeded": "",
}  # fmt: skip
SAMPLES = {"failed": {"Seconds": "1"}, "succeeded": {"Seconds": "2"}, "running": {"Seconds": "90", "Steps": "360"}}
THEMES = ("light", "dark")
WIDTHS = (360, 768, 1440)


def main() -> None:
    options = read_options()
    name, password = (os.environ.get(f"SIGNALBOX_ADMIN_{what}") for what in ("USER", "PASSWORD"))
    if not (name and password):
        sys.exit("Set SIGNALBOX_ADMIN_USER and SIGNALBOX_ADMIN_PASSWORD to those of somebody who may submit jobs.")
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        state, addresses = prepare(browser, options.url, name, password, options.pages)
        for theme in options.themes:
            context = browser.new_context(storage_state=state, base_url=options.url, color_scheme=theme)
            for page_name in options.pages:
                for width in options.widths:
                    page = context.new_page()
                    page.set_viewport_size({"width": width, "height": options.height})
                    take(page, addresses[page_name], options.folder / f"{page_name}-{theme}-{width}.png", options.full)
                    page.close()
            context.close()
        browser.close()


def prepare(browser: Browser, url: str, name: str, password: str, pages: list[str]) -> tuple[dict, dict[str, str]]:
    """Log in and submit the samples that the pages need; returns the cookies and the address of each page."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.goto("login/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(url)
    addresses = dict(PAGES)
    for sample in SAMPLES:
        if sample in pages:
            addresses[sample] = submit(page, sample)
    return context.storage_state(), addresses


def submit(page: Page, sample: str) -> str:
    """Submit a countdown and wait for what is to be seen of it."""
    page.goto("submit/countdown/")
    for label, value in {**SAMPLES[sample], "Priority": "9"}.items():
        page.get_by_label(label).fill(value)
    page.get_by_label("Fail").set_checked(sample == "failed")
    page.get_by_role("button", name="Submit countdown").click()
    page.wait_for_url("**/jobs/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text(sample.capitalize(), timeout=60_000)
    return page.url


def take(page: Page, address: str, file: Path, full: bool) -> None:
    page.goto(address)
    badge = page.locator("[data-live]")
    if badge.count():
        expect(badge).to_have_attribute("data-live", "live", timeout=20_000)
    if (test := page.locator("[data-self-test] button")).count():
        test.click()
        expect(page.locator("[data-verdict]")).to_contain_text("in ", timeout=20_000)
    page.screenshot(path=file, full_page=full, animations="disabled")
    print(file)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the product, with a slash at its end")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", nargs="*", choices=PAGES, default=list(PAGES), metavar="NAME")
    parser.add_argument("--also", nargs="+", default=[], metavar="NAME=ADDRESS", help="such as kind=kinds/countdown/")
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=THEMES)
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--full", action="store_true", help="the whole page, not only what a window shows")
    options = parser.parse_args()
    PAGES.update(also := dict(each.split("=", 1) for each in options.also))
    options.pages += also
    return options


if __name__ == "__main__":
    main()
