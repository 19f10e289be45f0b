"""Chores that people ask for: bulk actions."""

from typing import Literal

from tasks.base import job
from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.search import bulk


@job(queue="chores")
def bulk_action(report: Report, action: Literal["cancel", "retry", "take_back"], filter: dict) -> dict[str, int]:
    """Cancel every job that matches a filter, try it again, or take its cancel back.

    `filter` as in a search: `{"state": ["failed"], "kind": ["fetch_feed"]}`.
    """
    own = bulk.bulk_job(report.job_id or "")
    query = bulk.query_for(action, bulk.clean_filters(filter), own.owner_name or "")
    total, _ = bulk.count(own.owner, action, query)
    step = bulk.Step(0, 0)
    report.progress(0, total)
    for step in bulk.act(own, action, query):
        seen = step.done + step.refused
        report.progress(seen, max(total, seen), f"{step.done:,} done, {step.refused:,} had moved on")
    report.log(f"{action}: {number_of(step.done, 'job')}; {step.refused:,} had moved on and were left as they are.")
    return step._asdict()
