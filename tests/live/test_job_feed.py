"""Watched jobs: whole at first, then what changes; read once for the process, and only for those who may see them."""

import time

import pytest

from live import job_feed, job_feeds, push
from live.auth import Visitor
from tasks.access import permissions
from tasks.engine import lifecycle
from tasks.engine.models import Job, LogLine
from tasks.queries import details
from tests.support.live_hub import Tab, claim, paced, running, submit
from tests.support.live_parts import uid, until
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.3, 0.5, 20)


def write(job, count):
    row = Job.objects.get(uid=job)
    seqs = range(row.log_seq + 1, row.log_seq + count + 1)
    LogLine.objects.bulk_create(
        LogLine(job=row, seq=seq, at=row.created_at, level="info", text=f"line {seq}") for seq in seqs
    )
    Job.objects.filter(uid=job).update(log_seq=row.log_seq + count, version=row.version + 1)
    push.job_changed(Job.objects.get(uid=job).summary())


async def test_a_watched_job_comes_whole_and_then_what_changes(rows):
    async with running() as hub:
        [job] = await rows(submit)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: job in tab.page.details)
        assert tab.of("job")[0]["job"].keys() >= {"params", "result", "attempts", "log", "version", "kind"}
        running_job = await rows(claim, job)
        await until(lambda: tab.page.details[job]["state"] == "running")
        await rows(write, job, 3)
        await until(lambda: [line["seq"] for line in tab.page.details[job]["log"]] == [1, 2, 3])
        assert "params" not in tab.of("job")[-1]["job"]
        await rows(lambda: lifecycle.succeed(running_job, {"n": 1}))
        await until(lambda: tab.page.details[job].get("result") == {"n": 1})
        fresh = await rows(job_feeds.whole, job, None, 500)
        assert tab.page.details[job] == fresh


async def test_a_watched_job_is_read_once_for_all_and_four_times_a_second(rows, monkeypatch):
    reads, real = [], details.detail
    monkeypatch.setattr(
        details, "detail", lambda *args, **more: (reads.append(time.monotonic()), real(*args, **more))[1]
    )
    async with running() as hub:
        [job] = await rows(submit)
        tabs = [Tab(hub) for _ in range(20)]
        for tab in tabs:
            hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: all(job in tab.page.details for tab in tabs))
        assert len(reads) == 1
        for _ in range(30):
            await rows(write, job, 10)
        await until(lambda: all(len(tab.page.details[job]["log"]) == 300 for tab in tabs))
        # How late a read begins is the machine's; so the pace is judged over all of them, not from one to the next.
        assert len(reads) - 2 <= (reads[-1] - reads[0]) / job_feeds.PERIOD_S


@pytest.mark.long
@pytest.mark.parametrize("after", [0, 5, 2_345])
async def test_a_long_log_arrives_line_by_line(rows, monkeypatch, after):
    monkeypatch.setattr(job_feeds, "LINES", 200)
    monkeypatch.setattr(job_feed, "TAIL", 300)
    async with running() as hub:
        [job] = await rows(submit)
        await rows(write, job, 2_345)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, after)
        await until(lambda: job in tab.page.details)
        await rows(write, job, 55)
        await until(lambda: tab.page.details[job]["log"][-1:] and tab.page.details[job]["log"][-1]["seq"] == 2_400)
        assert [line["seq"] for line in tab.page.details[job]["log"]] == list(range(after + 1, 2_401))


async def test_large_values_do_not_burst_a_frame(rows):
    def large(job):
        row = Job.objects.get(uid=job)
        row.result = {"text": "ä" * 300_000}
        row.error = "x" * 2_000_000
        row.save()
        LogLine.objects.bulk_create(
            LogLine(job=row, seq=seq, at=row.created_at, text="ß" * 20_000) for seq in range(1, 40)
        )
        Job.objects.filter(pk=row.pk).update(log_seq=39)

    async with running() as hub:
        [job] = await rows(submit)
        await rows(large, job)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: tab.page.details.get(job, {}).get("log", [])[-1:], what="the log")
        await until(lambda: len(tab.page.details[job]["log"]) == 39)
        assert max(map(len, tab.texts)) <= 512 * 1024
        assert tab.page.details[job]["result"]["bytes"] > 300_000


async def test_unknown_and_forbidden_jobs_give_the_same_answer(rows):
    async with running() as hub:
        [foreign] = await rows(lambda: submit(owner=person("bob")))
        [own] = await rows(lambda: submit(owner=person("alice")))
        tab = Tab(hub, Visitor(1, "alice", permissions.OWN))
        other = Tab(hub)
        hub.watch_job(other.mailbox, foreign, 0)  # loaded for somebody who may see it
        await until(lambda: foreign in other.page.details)
        for job in (foreign, uid(404), own):
            hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: len(tab.errors) == 2 and own in tab.page.details)
        assert len({(error["code"], error["detail"]) for error in tab.errors}) == 1
        assert tab.errors[0]["code"] == "unknown-job"
        assert tab.page.details.keys() == {own}
        assert set(tab.mailbox.follows) == {own}


async def test_a_job_that_is_deleted_is_said_to_be_unknown(rows):
    async with running() as hub:
        [job] = await rows(submit)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: job in tab.page.details)
        gone = await rows(lambda: Job.objects.get(uid=job).summary())
        await rows(lambda: Job.objects.filter(uid=job).delete())
        push.job_changed(gone | {"version": 99})
        await until(lambda: tab.errors)


async def test_a_watched_job_whose_hints_are_lost_is_healed(rows, monkeypatch):
    async with running() as hub:
        [job] = await rows(submit)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, 0)
        await until(lambda: job in tab.page.details)
        monkeypatch.setattr(push, "job_changed", lambda summary: None)
        await rows(claim, job)
        await until(lambda: tab.page.details[job]["state"] == "running")


async def test_watchers_of_a_job_that_was_pruned_are_notified_within_one_reconcile(rows):
    async with running() as hub:
        kept, gone = await rows(submit, 2)
        tab = Tab(hub)
        for job in (kept, gone):
            hub.watch_job(tab.mailbox, job, 2**53 - 1)
        await until(lambda: {kept, gone} <= tab.page.details.keys())
        await rows(lambda: Job.objects.filter(uid=gone).delete())
        await until(lambda: tab.errors)
        assert [(said["code"], said["job"]) for said in tab.errors] == [("unknown-job", gone)]


async def test_who_wants_no_log_asks_for_what_follows_a_line_that_never_comes(rows):
    async with running() as hub:
        [job] = await rows(submit)
        await rows(write, job, 3)
        tab = Tab(hub)
        hub.watch_job(tab.mailbox, job, 2**53 - 1)
        await until(lambda: job in tab.page.details)
        await rows(claim, job)
        await rows(write, job, 2)
        await until(lambda: tab.page.details[job]["state"] == "running" and tab.page.details[job]["log_seq"] == 5)
        assert all(not frame["job"].get("log") for frame in tab.of("job"))
