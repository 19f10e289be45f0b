"""What templates say of a job, in the same words as static/js/parts/job_text.js and time.js.

The server draws a page and the browser keeps it current, so the wording must not change when the browser takes over.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone

from tasks.queries import diagnosis
from tasks.web import json_tree
from tasks.web.links import quoted

register = template.Library()

NIL = "00000000-0000-0000-0000-000000000000"  # in the place of a job's id inside <template>
FINAL = ("succeeded", "failed", "cancelled", "unknown")

BEHIND_S = 5  # an application that is further behind is shown as behind
STRETCH = 6  # the shortest stretch on the line of attempts that is seen
LEADS = {
    "scheduled": "starts", "queued": "waiting for", "running": "for", "retrying": "next attempt",
}  # fmt: skip
ACTIVITY = {
    "submit": "submitted", "cancel": "cancelled", "retry": "retried", "take_back": "undid the cancel",
    "bulk": "started the bulk action", "share": "created a share link", "end_share": "revoked a share link",
    "watched.cancel": "asked its workers to skip it", "watched.terminate": "asked its worker to terminate it",
    "watched.run_again": "ran it again",
}  # fmt: skip

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))  # seconds

Job = Mapping[str, Any]


@register.filter
def word(state: str | None) -> str:
    return (state or "").capitalize()


@register.filter
def short(job: Job | str | None) -> str:
    """The end of a public id: its beginning is the time, and alike for all jobs of a minute."""
    return str(job["id"] if isinstance(job, Mapping) else job or "")[-6:]


@register.filter
def moment(job: Job | None) -> dict[str, Any]:
    """The moment a reader asks about first, and its format."""
    if not job:
        return {"format": "since", "at": None}
    match job["state"]:
        case "running":
            return {"format": "since", "at": job["started_at"]}
        case "queued":
            return {"format": "since", "at": job["due_at"] or job["created_at"]}
        case "scheduled" | "retrying":
            return {"format": "until", "at": job["due_at"]}
        case _:
            return {"format": "ago", "at": job["finished_at"]}


@register.filter
def time_text(at: str | None, format: str = "clock") -> str:
    """The words of a <time> at this moment."""
    if not at:
        return ""
    then, now = datetime.fromisoformat(at), timezone.now()
    seconds = (now - then).total_seconds()
    match format:
        case "since":
            return rough(seconds)
        case "until":
            return "due now" if seconds >= 0 else f"in {rough(0.999 - seconds)}"
        case "ago":
            return ago(seconds)
    local = then.astimezone(timezone.get_current_timezone())
    if abs(seconds) < 12 * 3600:
        return f"{local:%H:%M}" if format == "minute" else f"{local:%H:%M:%S}"
    year = "" if local.year == now.astimezone(local.tzinfo).year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {local:%H:%M}"


def rough(seconds: float) -> str:
    s = int(max(0.0, seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02} s"
    if s < 86_400:
        return f"{s // 3600} h {s % 3600 // 60:02} min"
    return f"{s // 86_400} d {s % 86_400 // 3600} h"


def ago(seconds: float) -> str:
    s = int(max(0.0, seconds))
    for size, unit in UNITS:
        if s >= size:
            return f"{s // size} {unit} ago"
    return f"{s} s ago"


@register.simple_tag
def took(start: str | None, end: str | None) -> str:
    if not (start and end):
        return ""
    ms = max(0, _ms(end) - _ms(start))
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms // 100 / 10:.1f} s" if ms < 10_000 else rough(ms / 1000)


def _ms(instant: str) -> int:
    """Milliseconds since the epoch, as a browser's clock counts: what is less is cut off."""
    return int(datetime.fromisoformat(instant).timestamp() * 1_000_000) // 1000


@register.filter
def way(job: Job | None) -> dict[str, Any] | None:
    """How far a job has come: done of total, or of None when nobody knows how far it is."""
    if not job:
        return None
    done, total = job["progress"]["done"], job["progress"]["total"]
    if total > 0:
        done = min(done, total)
        return {"done": done, "total": total, "words": f"{done:,} / {total:,}"}
    return {"done": done, "total": None, "words": f"{done:,}" if done else ""} if job["state"] == "running" else None


@register.filter
def reached(job: Job | None) -> str:
    """How far a row says it came: while it runs, or if it stopped on the way."""
    far = way(job)
    if not job or not far:
        return ""
    stopped = job["state"] in ("failed", "cancelled") and far["done"] < (far["total"] or 0)
    return far["words"] if job["state"] == "running" or stopped else ""


@register.filter
def note(job: Job | None) -> dict[str, Any]:
    """One line about a job: what went wrong, where it is, or how long it took."""
    if not job:
        return {"text": "", "wrong": False}
    if job["state"] in ("failed", "retrying", "unknown") and job["error"]:
        return {"text": job["error"].split("\n", 1)[0], "wrong": job["state"] != "unknown"}
    if job["state"] == "unknown":
        return {"text": "nobody can say how it ended", "wrong": False}
    return {"text": span(job) if job["state"] in FINAL else job["progress"]["note"], "wrong": False}


@register.filter
def span(job: Job) -> str:
    """How long the last attempt took."""
    cancelled = job["state"] == "cancelled"
    if not (job["started_at"] and job["finished_at"]):
        return "before it started" if cancelled else ""
    return f"{'after' if cancelled else 'took'} {took(job['started_at'], job['finished_at'])}"


@register.filter
def remarks(job: Job | None) -> list[str]:
    """What stands in small beside a job; always five, so that each has its own element."""
    if not job:
        return [""] * 5
    again = job["attempt"] > 1 or (job["attempt"] > 0 and job["state"] == "retrying")
    return [
        inside(job["queue"], job["app"]),
        job["owner"] or "",
        f"attempt {tries(job)}" if again else "",
        f"priority {job['priority']}" if job["priority"] != 5 else "",
        "cancel requested" if job["cancel_requested"] and job["state"] not in FINAL else "",
    ]


@register.filter
def inside(name: str | None, app: str | None) -> str:
    """The name of a queue or worker where its application is named beside it; empty for a queue that is not known."""
    return (name or "").removeprefix(f"{app}:") if app else name or ""


@register.filter
def tally_name(name: str) -> str:
    return f"{name} queue not known" if name.endswith(":") else name


@register.filter
def tries(job: Job) -> str:
    """Attempts of how many. A person's retry gives a failed job more attempts than it had."""
    attempt, most = job["attempt"], job["max_attempts"]
    if job["app"]:  # nobody told how many it may have
        return str(attempt or "")
    return "" if not attempt else f"{attempt} of {most}" if attempt <= most else str(attempt)


@register.filter
def traceback_of(job: Job) -> str:
    """The newest traceback, for a job that did not succeed in the end."""
    if job["state"] == "succeeded":
        return ""
    return next((attempt["traceback"] for attempt in reversed(job["attempts"]) if attempt["traceback"]), "")


@register.filter
def waited(job: Job) -> bool:
    """Whether a cancelled job only waited: no attempt ended with it. Such a cancel can be taken back."""
    ended = job["finished_at"]
    return job["state"] == "cancelled" and all(attempt["finished_at"] != ended for attempt in job["attempts"])


@register.filter
def lead(job: Job) -> str:
    """What stands before the moment at the head of a job's page."""
    return LEADS.get(job["state"], "")


@register.filter
def in_words(action: str) -> str:
    return ACTIVITY.get(action, action.replace("_", " "))


@register.filter
def line_of_attempts(job: Job) -> dict[str, Any]:
    """Attempts with their places on one line of time, 1000 wide, and the number of the one that would follow."""
    now = timezone.now().timestamp()
    spans = [(seconds(each["started_at"], now), seconds(each["finished_at"], now)) for each in job["attempts"]]
    begin = min((start for start, _ in spans), default=now)
    length = max([end for _, end in spans] + [seconds(job["due_at"], now)] * (job["state"] == "retrying") + [begin])
    scale = 1000 / max(length - begin, 0.001)
    shown = []
    for attempt, (start, end) in zip(job["attempts"], spans, strict=True):
        x = round((start - begin) * scale)
        width = max(STRETCH, round((end - start) * scale))
        trace = reverse("job-traceback", args=[job["id"], attempt["number"]]) if attempt["traceback"] else ""
        shown.append({**attempt, "x": min(x, 1000 - STRETCH), "width": min(width, 1000 - x), "trace": trace})
    return {"attempts": shown, "next": job["attempt"] + 1}


def seconds(at: str | None, otherwise: float) -> float:
    return datetime.fromisoformat(at).timestamp() if at else otherwise


@register.filter
def is_one_of(state: str, states: str) -> bool:
    return state in states.split()


@register.filter
def beat(age_s: float | None) -> str:
    """Ages of beats come in steps of five seconds: finer ones would send a frame for every beat."""
    if not isinstance(age_s, float | int):
        return "never"
    return "just now" if age_s < 5 else f"{rough(age_s // 5 * 5)} ago"


@register.filter
def waiting(age_s: float | None) -> str:
    return rough(age_s // 5 * 5) if isinstance(age_s, float | int) else "–"


@register.filter
def brief(seconds: float | None) -> str:
    """How long something took, in one unit, where little room is."""
    if not isinstance(seconds, float | int):
        return "–"
    ms, tenths = int(seconds * 1000 + 0.5), int(seconds * 10 + 0.5)
    if ms < 1000:
        return f"{ms} ms"
    if tenths < 100:
        return f"{tenths / 10:.1f} s"
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    n = int(seconds / size * 10 + 0.5)
    return f"{n / 10:.1f} {unit}" if size > 1 and n < 100 else f"{int(seconds / size + 0.5)} {unit}"


@register.filter
def bound(seconds: float) -> str:
    """A bound that people chose: 200 ms, 5 s, 10 min, 4 h."""
    size, unit = next(((size, unit) for size, unit in (*UNITS, (1, "s")) if seconds >= size), (0.001, "ms"))
    return f"{seconds / size:g} {unit}"


@register.filter
def currency(app: Mapping[str, Any]) -> str:
    """How current what is shown of a watched application is, and how many of its tasks nobody saw."""
    lag, unseen = app["lag_s"], app["unseen"]
    words = "not read yet" if lag is None else f"{rough(lag)} behind" if lag > BEHIND_S else "live"
    return f"{words}, {unseen:,} unseen" if unseen else words


@register.filter
def percent(part: float | None) -> str:
    if part is None:
        return "–"
    return f"{100 * part:.1f} %" if 0 < part < 0.1 else f"{100 * part:.0f} %"


@register.filter
def thousands(n: int) -> str:
    return f"{n:,}"


@register.filter
def half(n: int) -> str:
    """The middle of a scale, where it is a whole number."""
    return "" if n % 2 else f"{n // 2:,}"


register.filter("in_search", quoted)
register.simple_tag(json_tree.shown, name="tree")
register.simple_tag(diagnosis.verdict)
