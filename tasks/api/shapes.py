"""What the API answers, as serializers for the OpenAPI document. Answers come from the models' own shapes.

The tests send every operation and hold the answers against these, so the document cannot say what is not true.
"""

from functools import cache
from typing import Any

from rest_framework import serializers as s

from tasks.engine.models import Job, LogLine, Outcome


class AppName(s.RegexField):
    """Whose jobs: the name of a watched application, ``own`` or ``*``."""

    def __init__(self) -> None:
        super().__init__(r"^(\*|[a-z0-9-]{1,32})$", max_length=32)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Progress(s.Serializer):
    done = s.IntegerField()
    total = s.IntegerField(help_text="0: not known")
    note = s.CharField(allow_blank=True)


class JobSummary(s.Serializer):
    """A job, as lists, pushes and frames show it. `version` rises with every change."""

    id = s.UUIDField()
    version = s.IntegerField()
    kind = s.CharField()
    title = s.CharField(allow_blank=True, help_text="what it is about, in at most 200 letters; secrets are masked")
    app = s.CharField(allow_null=True, help_text="the watched application that runs it; null: a job of our own")
    queue = s.CharField()
    state = s.ChoiceField(choices=Job.State.values, help_text="`unknown` for tasks of watched applications only")
    attempt = s.IntegerField()
    max_attempts = s.IntegerField()
    priority = s.IntegerField(min_value=0, max_value=9, help_text="9 first")
    owner = s.CharField(allow_null=True, help_text="user name")
    progress = Progress()
    cancel_requested = s.BooleanField()
    error = s.CharField(allow_null=True)
    worker = s.CharField(allow_null=True)
    release = s.CharField(allow_null=True, help_text="the version of the code that ran it")
    schedule = s.UUIDField(allow_null=True)
    parent = s.UUIDField(allow_null=True)
    log_seq = s.IntegerField()
    created_at = s.DateTimeField()
    due_at = s.DateTimeField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    doubt_at = s.DateTimeField(allow_null=True, help_text="since when nobody has confirmed what is shown")


class AttemptShape(s.Serializer):
    number = s.IntegerField()
    worker = s.CharField(allow_null=True)
    release = s.CharField(allow_null=True, help_text="the version of the code that ran it")
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    outcome = s.ChoiceField(choices=Outcome.values, allow_null=True, help_text="null: it runs")
    error = s.CharField(allow_null=True)
    traceback = s.CharField(allow_null=True)


class LogLineShape(s.Serializer):
    seq = s.IntegerField()
    at = s.DateTimeField()
    level = s.ChoiceField(choices=LogLine.Level.values)
    text = s.CharField(allow_blank=True)


class JobDetail(JobSummary):
    """A job whole. Secret parameters are shown as `•••`; `log` is its last 500 lines."""

    params = s.DictField()
    result = s.JSONField(help_text="what the kind returned, or null")
    attempts = AttemptShape(many=True)
    log = LogLineShape(many=True)


class ExportedJob(JobSummary):
    """A job in a file of all that a search finds."""

    ran_s = s.FloatField(allow_null=True, help_text="seconds that the last attempt ran")


class Looked(s.Serializer):
    """A search looks at rows for a fifth of a second. Not complete: `next` goes on from `back_to`."""

    complete = s.BooleanField()
    back_to = s.DateTimeField(allow_null=True)


class Page(s.Serializer):
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    unreadable = s.ListField(
        child=s.CharField(),
        required=False,
        help_text="rows left out, since they cannot be read: a sentence each",
    )


class GapShape(s.Serializer):
    """A time in which not everything was seen, and how many tasks began in it that nobody saw."""

    until = s.DateTimeField()
    unseen = s.IntegerField()
    why = s.CharField()

    def get_fields(self) -> dict[str, Any]:
        return {"from": s.DateTimeField(), **super().get_fields()}  # a word of Python


class SearchGap(GapShape):
    """A time in which tasks of a watched application began that nobody saw, so that they are not listed."""

    app = s.CharField()


@cache
def page(shape: type[s.Serializer], name: str = "") -> type[Page]:
    """A page of a list. In the OpenAPI document, its name is that of the shape with Page at its end."""
    name = name or f"{shape.__name__.removesuffix('Shape')}Page"
    return type(name, (Page,), {"results": shape(many=True)})


class JobPage(Page):
    results = JobSummary(many=True)
    looked = Looked(required=False, help_text="only when the search stopped before the page was full")
    gaps = SearchGap(many=True, required=False, help_text="of applications that were asked for, in this page's time")
    notes = s.ListField(child=s.CharField(), required=False, help_text="what in `q` was taken for a word")


class KindShape(s.Serializer):
    """A kind of job: `params` is the JSON Schema (2020-12) of its parameters."""

    name = s.CharField()
    queue = s.CharField()
    doc = s.CharField(allow_blank=True)
    priority = s.IntegerField()
    max_attempts = s.IntegerField()
    retry = s.DictField(help_text="Celery's own options, such as retry_backoff")
    on_lost = s.ChoiceField(choices=["retry", "fail"])
    effects = s.ChoiceField(choices=["none", "idempotent", "once"])
    time_limit_s = s.FloatField(allow_null=True)
    chore = s.BooleanField(help_text="made by Signalbox itself, not by people")
    params = s.DictField()


class QueueShape(s.Serializer):
    name = s.CharField()
    paused = s.BooleanField()
    queued = s.IntegerField()
    oldest_s = s.FloatField(allow_null=True)
    running = s.IntegerField()
    started_per_min = s.IntegerField()
    workers = s.IntegerField()


class WorkerShape(s.Serializer):
    name = s.CharField()
    host = s.CharField()
    pid = s.IntegerField()
    queues = s.ListField(child=s.CharField())
    concurrency = s.IntegerField()
    running = s.ListField(child=s.UUIDField())
    beat_age_s = s.FloatField()
    alive = s.BooleanField()


class Now(s.Serializer):
    scheduled = s.IntegerField()
    queued = s.IntegerField()
    running = s.IntegerField()
    retrying = s.IntegerField()


class LastHour(s.Serializer):
    succeeded = s.IntegerField()
    failed = s.IntegerField()
    cancelled = s.IntegerField()


class Bucket(LastHour):
    at = s.DateTimeField()


class KindTimes(s.Serializer):
    kind = s.CharField()
    wait_p50_s = s.FloatField(allow_null=True)
    wait_p95_s = s.FloatField(allow_null=True)
    run_p50_s = s.FloatField(allow_null=True)
    run_p95_s = s.FloatField(allow_null=True)


class Stats(s.Serializer):
    now = Now()
    last_hour = LastHour()
    buckets = Bucket(many=True)
    kinds = KindTimes(many=True)


class TokenShape(s.Serializer):
    id = s.UUIDField()
    name = s.CharField(allow_blank=True)
    scope = s.ChoiceField(choices=["read", "submit", "manage"])
    begins_with = s.CharField()
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField(allow_null=True)
    last_used_at = s.DateTimeField(allow_null=True)


class NewToken(TokenShape):
    """The only answer that has the token itself."""

    token = s.CharField()


class ShareShape(s.Serializer):
    id = s.UUIDField()
    job = s.UUIDField()
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField()
    revoked_at = s.DateTimeField(allow_null=True)
    framed_by = s.ListField(child=s.CharField())


class NewShare(ShareShape):
    """The only answer that has the address itself."""

    url = s.URLField()


class EntryShape(s.Serializer):
    id = s.UUIDField()
    at = s.DateTimeField()
    who = s.CharField(allow_null=True)
    via = s.CharField()
    token = s.UUIDField(allow_null=True)
    action = s.CharField()
    target = s.CharField(allow_blank=True)
    outcome = s.ChoiceField(choices=["done", "refused"])
    code = s.CharField(allow_null=True)
    address = s.CharField(allow_null=True)
    request = s.CharField(allow_null=True)
    detail = s.DictField()


class Counted(s.Serializer):
    """What a dry run says: how many jobs it would act on; `exact` is false when counting stopped early."""

    count = s.IntegerField()
    exact = s.BooleanField()
