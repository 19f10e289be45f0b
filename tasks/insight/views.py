"""Pages about one kind, one queue or one worker, and the list of kinds, which sorts by any column."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from tasks.access.permissions import may, may_submit, visible
from tasks.engine import registry
from tasks.engine.applications import OWN
from tasks.engine.models import Job, Worker, instant
from tasks.failures import groups
from tasks.observe import charts
from tasks.observe.models import App, EndedBar
from tasks.queries import board, diagnosis, series, stats
from tasks.schedules.models import Schedule
from tasks.search import finder
from tasks.search.language import NO_KEY, Query
from tasks.web import bars
from tasks.web.kind_form import KindForm
from tasks.web.links import jobs_url, quoted
from tasks.web.pages import Page

PERIODS = {"1h": "Last hour", "24h": "Last day", "30d": "Last 30 days"}
AGAINST = {
    "": ("Nothing", timedelta()),
    "day": ("Yesterday", timedelta(days=1)),
    "week": ("Last week", timedelta(days=7)),
}
LAST, GROUPS = 20, 10  # jobs and groups of failures that a page shows
SORTS = {
    "kind": "Kind", "ended": "Ended", "failed": "Failed", "rate": "Failure rate", "wait_p50_s": "Waited, p50",
    "wait_p95_s": "Waited, p95", "run_p50_s": "Ran, p50", "run_p95_s": "Ran, p95",
}  # fmt: skip


class OverTime(Page):
    """A page with a chart of a period, and of an earlier one to compare with: ``?period=24h&against=week``."""

    periods = PERIODS

    @property
    def period(self) -> str:
        period = self.request.GET.get("period", "24h")
        if period not in self.periods:
            raise Http404("There is no such period.")
        return period

    def over_time(self, text: str, **only: Any) -> dict[str, Any]:
        """What ``insight/_over_time.html`` shows of a kind or a queue; ``text`` is the search that finds its jobs."""
        against = self.request.GET.get("against", "day" if self.period != "30d" else "")
        if against not in AGAINST or (against and self.period == "30d"):
            raise Http404("There is no such comparison.")
        shown = series.of(self.period, **only)
        length = stats.PERIODS[self.period][0]
        other = series.of(self.period, **only, back=AGAINST[against][1]) if against else None
        before = series.of(self.period, **only, back=length) if self.period != "30d" else None
        return {
            "chart": bars.draw(shown, text, other),
            "numbers": series.to_dict(shown, before.ended if before else Counter()),
            "histogram": bars.histogram(series.histogram(shown.times)),
            "before": before and series.outcomes(before.ended),
            "period": self.period,
            "periods": self.periods.items(),
            "against": against,
            "against_words": AGAINST[against][0].lower(),
            "comparisons": [] if self.period == "30d" else [(name, words) for name, (words, _) in AGAINST.items()],
        }

    def last_jobs(self, text: str, apps: Sequence[str] = ()) -> dict[str, Any]:
        """The newest of our own jobs that a search finds, or of the tasks of watched applications."""
        read_at = timezone.now()
        query = Query.of({"q": [text], "app": [",".join(apps)]} if apps else {"q": [text]})
        found = finder.find(query, visible(self.request.user, Job.every.all()), limit=LAST)
        return {"jobs": [job.summary() for job in found.jobs], "news_since": found.news_since(read_at)}


class KindView(OverTime):
    template_name = "insight/kind.html"
    here = "kinds"

    def get_context_data(self, kind: str, **context: Any) -> dict[str, Any]:
        user, known_kind = self.request.user, registry.find(kind)
        kind = known_kind.name if known_kind else kind  # it may be asked for by Celery's name
        text = f"kind:{quoted(kind)}"
        is_own = known_kind is not None or visible(user, Job.objects.filter(kind=kind)).exists()
        apps = [] if is_own else apps_with(kind)
        if not (is_own or apps):
            raise Http404("There is no such kind.")
        may_run = known_kind is not None and may_submit(user, known_kind)
        schedules = Schedule.objects.select_related("periodic").filter(periodic__task=kind).order_by("periodic__name")
        sees = may(user, "see_rows")
        each = [groups.groups(user, kind=kind, handled=False, app=app) for app in apps or [OWN]] if sees else []
        found = groups.newest_first(each)[:GROUPS]
        return super().get_context_data(
            name=kind,
            kind=known_kind,
            apps=apps,
            text=text,
            failures=[{**group, "url": failures_url(text, group)} for group in found],
            **self.last_jobs(text, apps),
            links=[(words, jobs_url(f"{text} {more}")) for words, more in LINKS],
            match=json.dumps({"kind": [[kind]], "app": [apps or [None]]}),
            schedules=schedules[:LAST] if may(user, "see_schedules") else [],
            form=KindForm(known_kind, may_order=may(user, "order")) if may_run else None,
            once=str(uuid4()),
            **self.over_time(text, kind=kind, sources=charts.sources(apps or None, own=is_own)),
            **context,
        )


def apps_with(kind: str) -> list[str]:
    """The watched applications that have tasks of a kind, or had some lately, by name."""
    return [app.name for app in App.objects.order_by("name")
            if EndedBar.objects.filter(app=app, kind=kind).exists()
            or Job.every.filter(app=app.name, kind=kind).exists()]  # fmt: skip


def failures_url(text: str, group: dict[str, Any]) -> str:
    app = f" app:{group['app']}" if group["app"] else ""
    return jobs_url(f"{text} failure:{','.join(key or NO_KEY for key in group['keys'])}{app}")


LINKS = (("Failed", "state:failed"), ("Running", "state:running"), ("Waiting", "state:queued,scheduled,retrying"))


class QueueView(OverTime):
    template_name = "insight/queue.html"
    here = "workers"
    periods = {name: words for name, words in PERIODS.items() if name != "30d"}

    def get_context_data(self, name: str, **context: Any) -> dict[str, Any]:
        picture = board.board()
        queue = next((each for each in picture["queues"] if each["name"] == name), None)
        if queue is None:
            raise Http404("There is no such queue.")
        text = f"queue:{quoted(name)}"
        waiting = [job for job in picture["jobs"] if job["queue"] == name and job["state"] == "queued"]
        return super().get_context_data(
            name=name,
            queue=queue,
            workers=[worker for worker in picture["workers"] if name in worker["queues"]],
            waiting=waiting[:LAST],
            text=text,
            **self.last_jobs(text),
            match=json.dumps({"queue": [[name]]}),
            may_pause=may(self.request.user, "pause"),
            troubles=diagnosis.troubles_of_queue(picture, name),
            **self.over_time(text, queue=name),
            **context,
        )


class OfWorker:
    """What one worker ended, as ``series`` reads it: from rows, since nothing is counted by worker."""

    def __init__(self, name: str) -> None:
        self.name = name

    def levels(self, width: timedelta) -> list[Any]:
        return []

    def ended_rows(self, since: datetime, until: datetime | None = None) -> list[QuerySet[Any]]:
        good, bad = stats.ended_rows(since, until)
        return [good.filter(worker=self.name), bad.filter(job__worker=self.name)]


class WorkerView(OverTime):
    template_name = "insight/worker.html"
    here = "workers"

    def get_context_data(self, name: str, **context: Any) -> dict[str, Any]:
        row = Worker.objects.filter(name=name).first()
        if row is None:
            raise Http404("There is no such worker.")
        picture = board.board()
        shown = next((each for each in picture["workers"] if each["name"] == name), None)
        held = {job["id"]: job for job in picture["jobs"]}
        text = f"worker:{quoted(name)}"
        return super().get_context_data(
            name=name,
            row=row,
            started_at=instant(row.started_at),
            seen_at=instant(row.seen_at),
            worker=shown,
            running=[held[uid] for uid in shown["running"] if uid in held] if shown else [],
            text=text,
            chart=bars.draw(series.of("1h", sources=[OfWorker(name)]), text),
            **self.last_jobs(text),
            **context,
        )


class KindsView(OverTime):
    """All kinds, and of each watched application those with the most endings: ``?sort=failed``, ``?period=``."""

    template_name = "insight/kinds.html"
    here = "kinds"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        sort = self.request.GET.get("sort", "ended")
        if sort not in SORTS:
            raise Http404("There is no such column.")
        found = series.totals(self.period)
        names = {kind.name for kind in registry.kinds()} | found.keys()
        rows = [row_of(name, found.get(name, series.Bucket())) for name in names]
        for app in App.objects.order_by("name"):
            rows += [row | {"app": app.name, "rate": row["failure_rate"]} for row in charts.kinds(app, self.period)]
        rows.sort(key=lambda row: row["kind"])
        if sort != "kind":
            rows.sort(key=lambda row: (row[sort] is not None, row[sort]), reverse=True)
        return super().get_context_data(
            rows=rows, sort=sort, sorts=SORTS.items(), period=self.period, periods=self.periods.items(), **context
        )


def row_of(name: str, bucket: series.Bucket) -> dict[str, Any]:
    kind = registry.find(name)
    return {
        "kind": name,
        "about": kind.signature.help if kind else "",
        "ended": bucket.ended.total(),
        "failed": bucket.ended["failed"],
        "rate": series.failure_rate(bucket.ended),
        **stats.quantiles(bucket.times),
    }
