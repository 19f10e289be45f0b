"""The tables of jobs: Job, its attempts, log lines and effects, and the rows of workers and queues.

Columns, constraints, indexes and shapes only. Nothing here moves a job from one state to another.
"""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Manager, Q
from django.db.models.expressions import RawSQL

from tasks.engine.chords import Chord as Chord  # tables of this app too
from tasks.engine.counts import Bar as Bar
from tasks.engine.counts import Counted as Counted
from tasks.engine.counts import Minute as Minute
from tasks.engine.ordered_json import OrderedJSONField, ReadableJSONField
from tasks.engine.uid import uuid7


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with microseconds, as every surface shows a time."""
    return moment and moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class State(models.TextChoices):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # only of a task of a watched application


class Outcome(models.TextChoices):
    """How an attempt ended. A fenced one ran on after its job was given to another."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRYING = "retrying"
    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"
    FENCED = "fenced"


class OwnJobs(models.Manager):
    """The jobs of Signalbox itself, without the tasks of watched applications.

    The empty name stands in the SQL itself: with a parameter, no planner uses the partial index ``job_own``.
    """

    _own: models.QuerySet["Job"] | None = None  # made once: to make the filter takes longer than to read a row

    def get_queryset(self) -> models.QuerySet["Job"]:
        if self._own is None:
            self._own = super().get_queryset().filter(app=RawSQL("''", ()))
        return self._own.using(self._db)


class Job(models.Model):
    """One job, or one task of a watched application (``app``).

    ``objects`` are our own jobs, which every list, count and verb means; ``every`` has watched tasks too. Only
    tasks.engine.lifecycle writes the state of our jobs.
    """

    State = State
    LIVE = frozenset({State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING})
    FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNKNOWN})
    OWN = tuple(state.value for state in State if state != "unknown")  # the states of our own jobs

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    state = models.CharField(max_length=9, choices=State)
    version = models.BigIntegerField(default=1)
    attempt = models.IntegerField(default=0)
    beat = models.BigIntegerField(default=0)
    failures = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=4)
    kind = models.CharField(max_length=200)
    queue = models.CharField(max_length=100)
    priority = models.SmallIntegerField(default=5)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="jobs", db_index=False)
    params = OrderedJSONField(default=dict, outermost=False)  # their own order is that of the signature
    secrets = models.TextField(default="")
    result = OrderedJSONField(null=True)
    error = models.TextField(default="")
    traceback = models.TextField(default="")
    error_key = models.CharField(max_length=64, default="")
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(default=0)
    progress_note = models.CharField(max_length=200, default="")
    log_seq = models.BigIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    cancel_reason = models.CharField(max_length=500, default="")
    due_at = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)  # for its newest attempt, if not when it was created
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=200, default="")
    pid = models.IntegerField(
        null=True
    )  # of the process that runs the job: a parent process reports only its own dead child
    schedule = models.UUIDField(null=True)
    slot = models.CharField(max_length=40, null=True)  # noqa: DJ001 - NULL: no slot, and NULLs do not collide
    serial_key = models.CharField(max_length=200, default="")
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the same
    idempotency_digest = models.CharField(max_length=64, default="")
    parent = models.UUIDField(null=True)
    copy_of = models.UUIDField(null=True)
    then = OrderedJSONField(null=True, db_column="follow_ups")  # "then" is a keyword of SQL
    callback_url = models.TextField(default="")
    # The database has the defaults of these too: an older version's code inserts rows without them.
    headers = OrderedJSONField(null=True)  # of the message, as code outside of the job added them; never shown
    expires_at = models.DateTimeField(null=True)
    title = models.CharField(max_length=200, default="", db_default="")
    release = models.CharField(max_length=100, default="", db_default="")  # of the code that ran the newest attempt
    root = models.UUIDField(null=True)  # the first job of the chain or group that this one belongs to
    app = models.CharField(max_length=32, default="", db_default="")  # the watched application, or ours
    task_id = models.CharField(max_length=255, default="", db_default="")  # of a watched task, as its application says
    doubt_at = models.DateTimeField(null=True)  # since when nobody has confirmed what the row says
    basis = models.CharField(max_length=20, default="", db_default="")  # where a watched task's state is known from

    objects = OwnJobs()
    every = Manager()  # noqa: DJ012 - no field, as the rule takes it for

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="job_idempotency"),
            models.UniqueConstraint(fields=["schedule", "slot"], name="job_slot"),
            models.UniqueConstraint(
                fields=["serial_key"],
                condition=Q(state__in=["running", "retrying"]) & ~Q(serial_key=""),
                name="job_serial",
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values) & (~Q(state="unknown") | ~Q(app="")), name="job_state"
            ),
            models.CheckConstraint(condition=Q(priority__range=(0, 9)), name="job_priority"),
        ]
        # Partial indexes: a full one on state would make every move rewrite all indexes.
        indexes = [
            models.Index(
                "queue", "app", models.F("priority").desc(), "id", name="job_queued", condition=Q(state="queued")
            ),
            models.Index(  # the next job for a process that has nothing else to do
                "queue",
                "app",
                models.F("priority").desc(),
                "id",
                "kind",
                name="job_next",
                condition=Q(state="queued", serial_key=""),
            ),
            models.Index("id", name="job_running", condition=Q(state="running")),
            models.Index("due_at", name="job_due", condition=Q(state__in=["scheduled", "retrying"])),
            models.Index(  # with what groups of failures are made of, so that no row is read for them
                fields=["state", "id", "kind", "error_key", "finished_at", "app"],
                name="job_bad",
                condition=Q(state__in=["failed", "cancelled"]),
            ),
            models.Index("app", "finished_at", name="job_finished", condition=Q(finished_at__isnull=False)),
            models.Index("kind", "id", "app", name="job_kind"),
            models.Index("owner", "id", "app", name="job_owner"),
            models.Index("serial_key", "id", name="job_serial_order", condition=~Q(serial_key="")),
            models.Index("parent", name="job_parent", condition=Q(parent__isnull=False)),
            models.Index("copy_of", name="job_copy", condition=Q(copy_of__isnull=False)),
            models.Index("root", name="job_root", condition=Q(root__isnull=False)),
            models.Index("id", name="job_own", condition=Q(app="")),
            models.Index("app", "id", name="job_watched", condition=~Q(app="")),
            models.Index(
                "expires_at", name="job_expires", condition=Q(expires_at__isnull=False, finished_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uid} {self.state}"

    @property
    def owner_name(self) -> str | None:
        """The owner's user name; a row that a move returned carries it along, others read it from ``owner``."""
        if "_owner_name" not in self.__dict__:
            self._owner_name = self.owner.get_username() if self.owner_id and self.owner else None
        return self._owner_name

    def summary(self) -> dict[str, Any]:
        """The job as lists, pushes and frames show it. May read the owner's name: select_related("owner") first."""
        return {
            "id": str(self.uid),
            "version": self.version,
            "kind": self.kind,
            "title": self.title,
            "app": self.app or None,
            "queue": self.queue,
            "state": str(self.state),
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "priority": self.priority,
            "owner": self.owner_name,
            "progress": {"done": self.progress_done, "total": self.progress_total, "note": self.progress_note},
            "cancel_requested": self.cancel_requested_at is not None,
            "error": self.error or None,
            "worker": self.worker or None,
            "release": self.release or None,
            "schedule": self.schedule and str(self.schedule),
            "parent": self.parent and str(self.parent),
            "log_seq": self.log_seq,
            "created_at": instant(self.created_at),
            "due_at": instant(self.due_at),
            "started_at": instant(self.started_at),
            "finished_at": instant(self.finished_at),
            "doubt_at": instant(self.doubt_at),
        }

    def attempt_list(self) -> list[dict[str, Any]]:
        """All attempts, oldest first. The running or succeeded attempt is taken from the job's own row."""
        rows = [attempt.to_dict() for attempt in self.attempts.order_by("number", "id")]
        if self.state in (State.RUNNING, State.SUCCEEDED):
            own = {name: getattr(self, name) for name in ("worker", "release", "started_at", "finished_at")}
            outcome = "succeeded" if self.state == State.SUCCEEDED else None
            rows.append(Attempt(number=self.attempt, outcome=outcome, **own).to_dict())
        return sorted(rows, key=lambda row: row["number"])


class Attempt(models.Model):
    """How one attempt ended, written once. A success has no row here: the job's own row says it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    number = models.IntegerField()
    worker = models.CharField(max_length=200, default="")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=9, choices=Outcome)
    error = models.TextField(default="")
    traceback = models.TextField(default="")
    release = models.CharField(max_length=100, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "worker": self.worker or None,
            "release": self.release or None,
            "started_at": instant(self.started_at),
            "finished_at": instant(self.finished_at),
            "outcome": self.outcome,
            "error": self.error or None,
            "traceback": self.traceback or None,
        }


class Ending(models.Model):
    """That a job failed or was cancelled, written with that move and never changed: a retry does not unmake it.

    A success is no row: nothing comes after it, so the job row itself says it.
    """

    STATES = frozenset({State.FAILED, State.CANCELLED})

    job = models.ForeignKey(Job, models.CASCADE, related_name="endings")
    state = models.CharField(max_length=9)
    at = models.DateTimeField()
    kind = models.CharField(max_length=200)
    queue = models.CharField(max_length=100)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)  # of the attempt that ended; NULL: it waited

    class Meta:
        indexes = [models.Index("at", "state", name="ending_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.state} {self.at}"


class LogLine(models.Model):
    """One line that a job wrote, numbered from 1 within its job."""

    class Level(models.TextChoices):
        DEBUG = "debug"
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"

    job = models.ForeignKey(Job, models.CASCADE, related_name="log", db_index=False)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=7, choices=Level, default=Level.INFO)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "seq"], name="log_line_once")]

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        return {"seq": self.seq, "at": instant(self.at), "level": self.level, "text": self.text}


class Effect(models.Model):
    """An effect that a job has had and that no later attempt may repeat."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="effects", db_index=False)
    name = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="effect_once")]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A Celery worker. It raises ``beat`` while it lives."""

    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    queues = ReadableJSONField(default=list)
    concurrency = models.IntegerField(default=1)
    beat = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField()
    started_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)
    kinds = ReadableJSONField(null=True)  # the names of the kinds that it can run; NULL: not known
    release = models.CharField(max_length=100, default="", db_default="")

    def __str__(self) -> str:
        return self.name


class Queue(models.Model):
    """Whether a queue is paused, and by whom. A queue without a row is not paused."""

    name = models.CharField(max_length=100, unique=True)
    paused = models.BooleanField(default=False)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    paused_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
