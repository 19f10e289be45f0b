"""Markup and script in every text that people, servers or jobs can store: shown as text, live and from the server."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

HOSTILE = """"'><img src=x onerror="window.hit=1"><script>window.hit=2</script></template>{{7*7}}${7*7}"""
LINKS = "javascript:window.hit=3"
STORE = """
import json
from django.contrib.auth import get_user_model
from django.utils import timezone
from tasks.kinds.checks.models import Observation, Service
from tasks.kinds.feeds.models import Entry, Feed
from tasks.kinds.feeds.texts import absolute, clean
from tasks.kinds.images.models import Collection
from tasks.webhooks.models import Endpoint
from tasks.engine.models import Attempt, Job, LogLine
from tasks.engine.uid import uuid7
bad, link, now = {bad!r}, {link!r}, timezone.now()
ada = get_user_model().objects.create(username=bad[:150])
texts = dict(queue=bad[:100], error=bad, traceback=bad, progress_note=bad, cancel_reason=bad, worker=bad)
data = dict(params={{bad: bad, "deep": [{{bad: bad}}]}}, result={{bad: [bad, {{"x": bad}}]}}, owner=ada)
times = dict(created_at=now, started_at=now, finished_at=now, cancel_requested_at=now, cancel_requested_by=ada)
same = dict(kind=bad[:100], attempt=2, log_seq=1, callback_url=link, **texts, **data, **times)
jobs = [Job.objects.create(uid=uuid7(), state=state, error_key=state, **same)
        for state in ("failed", "succeeded", "cancelled")]
for job in jobs:
    LogLine.objects.create(job=job, seq=1, at=now, level="error", text=bad)
    Attempt.objects.create(job=job, number=1, outcome="lost", worker=bad, started_at=now, finished_at=now, error=bad,
                           traceback=bad)
feed = Feed.objects.create(url="https://feed.example/?" + bad[:100], title=bad, site=absolute(link), problem=bad,
                           status="off", off_reason=bad)
Entry.objects.create(feed=feed, entry_id=bad, digest="", title=bad, link=absolute(link), author=bad, html=clean(bad),
                     at=now)
service = Service.objects.create(url="https://service.example/?" + bad[:100], status="down", checked_at=now)
Observation.objects.create(service=service, job=uuid7(), at=now, up=False, seconds=1, reason=bad)
images = Collection.objects.create(name=bad, archive_name=bad, owner=ada)
hook = Endpoint.objects.create(name=bad[:100], url="https://hook.example/", secret="", enabled=False, owner=ada,
                               off_because=bad)
print(json.dumps({{"jobs": [str(job.uid) for job in jobs], "pages": [f"feeds/{{feed.uid}}/", f"checks/{{service.uid}}/",
                  f"collections/{{images.uid}}/", f"webhooks/{{hook.uid}}/"]}}))
"""
CLEAN = """
from django.contrib.auth import get_user_model
from tasks.kinds.checks.models import Service
from tasks.kinds.feeds.models import Feed
from tasks.kinds.images.models import Collection
from tasks.webhooks.models import Endpoint
from tasks.engine.models import Attempt, Job, LogLine
ours = Job.objects.filter(owner__username__contains="onerror")
for model in (Attempt, LogLine):
    model.objects.filter(job__in=ours).delete()
ours.delete()
for rows in (Feed.objects.filter(url__startswith="https://feed.example/"),
             Service.objects.filter(url__contains="service.example"),
             Collection.objects.filter(name__contains="onerror"), Endpoint.objects.filter(url="https://hook.example/"),
             get_user_model().objects.filter(username__contains="onerror")):
    rows.delete()
"""
LISTS = ("", "jobs/", "jobs/?q=state:failed", "failures/", "workers/", "charts/", "feeds/", "checks/", "collections/",
         "webhooks/", "schedules/", "alerts/", "audit/")  # fmt: skip


def test_what_is_stored_is_shown_and_never_run(page: Page, watcher: Watcher, product: Product) -> None:
    page.goto("")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    try:
        made = json.loads(product.python(STORE.format(bad=HOSTILE, link=LINKS)))
        row = page.locator(f"[data-job='{made['jobs'][0]}']")
        expect(row).to_contain_text("<img src=x onerror=")  # painted by the script, from a frame
        untouched(page)
        for address in (*LISTS, *(f"jobs/{job}/" for job in made["jobs"]), *made["pages"]):
            page.goto(address)
            untouched(page)
        page.goto(f"jobs/{made['jobs'][0]}/")
        expect(page.locator("main")).to_contain_text("<script>window.hit=2</script>")
    finally:
        product.python(CLEAN)


def untouched(page: Page) -> None:
    """Nothing ran, nothing became an element, no link leads to script; a blocked one would stand in the console."""
    assert page.evaluate("window.hit") is None
    risen = page.locator("main img[src=x], main script:not([src]), main [onerror], a[href^='javascript:' i]")
    assert risen.evaluate_all("(all) => all.map((one) => one.outerHTML)") == [], page.url
