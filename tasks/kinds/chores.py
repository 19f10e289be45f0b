"""Chores that people ask for: bulk actions."""

from typing import Literal

from tasks.base import job
from tasks.engine.models import Job
from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.search import bulk

DONE = {"cancel": "Cancelled", "retry": "Retried", "take_back": "Undid the cancel of"}


@job(queue="chores")
def bulk_action(report: Report, action: Literal["cancel", "retry", "take_back"], filter: dict) -> dict[str, int]:
    """Cancel or retry every job that matches a filter, or undo its cancel.

    `filter` as in a search: `{"state": ["failed"], "kind": ["fetch_feed"]}`.
    """
    own = Job.objects.select_related("owner").get(uid=report.job_id)
    query = bulk.query_for(action, bulk.clean_filters(filter), own.owner_name or "")
    total, _ = bulk.count(own.owner, action, query)
    step = bulk.Step(0, 0)
    report.progress(0, total)
    for step in bulk.act(own, action, query):
        seen = step.done + step.refused
        report.progress(seen, max(total, seen), f"{step.done:,} done, {step.refused:,} already changed")
    report.log(f"{DONE[action]} {number_of(step.done, 'job')}; {step.refused:,} had already changed")
    return step._asdict()
