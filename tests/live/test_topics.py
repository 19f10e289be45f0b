"""News beside the board: sent to those who ask, of what they may see, once, and never in a frame of the board."""

import pytest

from live import auth, push, reads
from live.auth import Visitor
from live.topics import NOWHERE, TopicMarks
from tasks.access import permissions
from tasks.alerts import evaluate
from tasks.alerts.models import Alert
from tasks.failures import groups
from tasks.schedules import actions
from tests.support.live_hub import Tab, claim, paced, running, submit
from tests.support.live_parts import until
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
ADMIN = Visitor(1, "ada", permissions.YES, frozenset({"alerts", "schedules", "webhooks"}))


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.2, 0.5, 20)


def watch(hub, *topics):
    tab = Tab(hub, ADMIN)
    hub.watch_news(tab.mailbox, frozenset(topics))
    return tab


def received(tab, topic):
    return sum(topic in frame["topics"] for frame in tab.of("news"))


async def test_alerts_come_and_go_as_news_and_stay_out_of_the_boards_frames(rows):
    async with running() as hub:
        board, notices = Tab(hub, ADMIN).watch(), watch(hub, "alerts")
        await until(lambda: board.of("snapshot") and notices.of("news"))
        assert notices.of("news")[-1]["alerts"] == []
        await rows(evaluate.open_alert, "key", "worker", "w1", "It is wrong.")
        await until(lambda: notices.of("news")[-1]["alerts"])
        assert notices.of("news")[-1]["alerts"][0]["sentence"] == "It is wrong."
        await rows(lambda: evaluate.close_alert(Alert.objects.get()))
        await until(lambda: notices.of("news")[-1]["alerts"] == [])
        assert all(frame.keys() == {"type", "as_of", "age", "topics", "alerts"} for frame in notices.of("news"))
        keys = {"type", "n", "as_of", "age", "jobs", "gone", "stats", "workers", "queues"}
        assert all(frame.keys() <= keys for frame in board.of("snapshot", "patch"))
        assert not board.of("news"), "nobody who did not ask"


async def test_a_job_that_moves_is_news_of_its_kind_and_of_no_other(rows):
    async with running() as hub:
        noop, other = watch(hub, "kind:noop"), watch(hub, "kind:countdown")
        await until(lambda: received(noop, "kind:noop") == 1 == received(other, "kind:countdown"))
        [job] = await rows(submit)
        await until(lambda: received(noop, "kind:noop") >= 2)
        before = received(noop, "kind:noop")
        await rows(claim, job)
        await until(lambda: received(noop, "kind:noop") > before)
        assert received(other, "kind:countdown") == 1


async def test_lost_hints_are_made_up_for_by_reading(rows, monkeypatch):
    monkeypatch.setattr(push, "job_changed", lambda summary: None)
    async with running() as hub:
        tab = watch(hub, "kind:noop")
        await until(lambda: received(tab, "kind:noop") == 1)
        await rows(submit)
        await until(lambda: received(tab, "kind:noop") == 2)


@pytest.mark.long
async def test_rows_beside_jobs_are_news_when_they_change_and_only_then(rows):
    async with running() as hub:
        tab = watch(hub, "schedules", "webhooks")
        await until(lambda: tab.of("news"))
        before = len(tab.of("news"))
        await until(lambda: hub.counters.reconciles >= 6)
        assert len(tab.of("news")) == before, "nothing happened, nothing was said"
        await rows(lambda: actions.create("nightly", "noop", {}, actions.every(60)))
        await until(lambda: len(tab.of("news")) > before)
        assert tab.of("news")[-1]["topics"] == ["schedules"]


@pytest.mark.parametrize(
    ("module", "name"), [(reads, "read_marks"), (reads.evaluate, "open_alerts"), (reads.board, "board")]
)
def test_an_alert_that_opens_while_everything_is_read_is_shown_after_the_next_reading(module, name, monkeypatch):
    read, opened = getattr(module, name), []

    def read_and_open(*words):
        answer = read(*words)
        if not opened:
            opened.append(evaluate.open_alert("key", "worker", "w1", "It is wrong."))
        return answer

    monkeypatch.setattr(module, name, read_and_open)
    news, place, shown = TopicMarks(), NOWHERE, ""
    for _ in range(2):
        seen = reads.read_all([], {"alerts"}, set(), lambda visitors: {})
        news.agree(seen.marks, seen.alerts)
        if news.is_behind(place, ["alerts"]):
            place, (_, shown) = news.now, news.since(place, ["alerts"])
    assert opened and "It is wrong." in shown


def test_who_was_away_gets_the_news_merged():
    news = TopicMarks()
    news.watched.update(["kind:noop", "kind:other"])
    news.agree({"webhooks": 1}, [])
    place = news.now
    for version in range(3):
        assert news.moved([{"kind": "noop", "version": version}, {"kind": "unwatched"}])
    news.agree({"webhooks": 2}, [])
    assert news.since(place, ["kind:other", "webhooks", "kind:noop"]) == ('"topics":["kind:noop","webhooks"]',)
    assert not news.is_behind(news.now, ["kind:noop", "webhooks"])
    assert not news.moved([{"kind": "unwatched"}])


def test_topics_are_what_the_role_may_see():
    assert auth.rows(person("vera")) == {"alerts", "apps", "failures", "schedules"}
    assert (
        auth.rows(person("bob")) == {"alerts", "apps", "failures", "schedules", "webhooks"}
        and auth.rows(person("charlie")) == frozenset()
    )
    own = Visitor(1, "alice", permissions.OWN)
    assert not own.may_watch("kind:noop") and not own.may_watch("alerts") and ADMIN.may_watch("kind:noop")


def test_a_failed_job_and_one_that_is_tried_again_are_news_of_failures():
    news = TopicMarks()
    news.watched.update(["failures"])
    for job, is_news in (
        ({"kind": "noop", "state": "running", "attempt": 1}, False),
        ({"kind": "noop", "state": "failed", "attempt": 1}, True),
        ({"kind": "noop", "state": "queued", "attempt": 0}, False),
        ({"kind": "noop", "state": "queued", "attempt": 1}, True),
    ):
        assert news.moved([job]) is is_news, job


def test_the_mark_of_failures_changes_with_what_was_handled():
    before = reads.read_marks(["failures"])
    groups.mark("noop", "k", "bob")
    assert reads.read_marks(["failures"]) != before
