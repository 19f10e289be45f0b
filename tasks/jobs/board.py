"""The board: what runs, what waits, and what finished last."""

from typing import Any

from tasks.access.permissions import may
from tasks.engine.models import Job
from tasks.observe import watched
from tasks.queries import board as picture
from tasks.queries import diagnosis, gauges, plots
from tasks.web.pages import Page

SECTIONS = {name: name for name in ("running", "queued", "retrying", "failed")}
SECTIONS |= {"succeeded": "finished", "cancelled": "finished", "unknown": "finished"}


class BoardView(Page):
    template_name = "jobs/board.html"
    here = "board"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        board = picture.board(apps=True)
        sections: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS.values()}
        for job in board["jobs"]:
            sections[SECTIONS[job["state"]]].append(job)
        sections["failed"] = gauges.failures()[: gauges.FAILED]  # as many as the script of the page keeps
        now, tallies = board["stats"]["now"], gauges.tallies()
        user, counted = self.request.user, watched.with_apps(board["stats"])
        return super().get_context_data(
            sections=sections,
            totals={name: total(name, len(jobs), now.get(name, 0)) for name, jobs in sections.items()},
            stats=counted,
            watched=counted["apps"],
            by_queue=tallies["queues"],
            by_kind=tallies["kinds"],
            oldest=diagnosis.oldest_wait(board["queues"]),
            trend=plots.chart("1h")["drawn"]["trend"],
            first_run=not board["jobs"] and not Job.objects.exists(),
            may_pick=may(user, "cancel") or may(user, "retry"),
            **diagnosis.diagnosis_context(board),
            **context,
        )


def total(name: str, shown: int, known: int) -> str:
    if name == "failed" and shown == gauges.FAILED:
        return f"newest {shown}"
    return f"{shown} of {known}" if known > shown else str(shown)
