"""Jobs: submitted, listed, looked at, cancelled, tried again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access import actions
from tasks.access.permissions import may, visible
from tasks.api import pagination, shapes, versions
from tasks.api.base import Id, ResourceView, Strict, Text, Whole
from tasks.api.idempotency import IDEMPOTENCY, key_of
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT, LIMIT_OF_ALL
from tasks.api.problems import wrong
from tasks.engine import due, registry
from tasks.engine.models import Job, instant
from tasks.jobs import verbs
from tasks.observe import asking
from tasks.params.signature import LARGEST, TooLarge, Url, size
from tasks.params.types import Wrong
from tasks.queries import details
from tasks.search import finder, unseen
from tasks.search.language import FILTERS, is_argument, taken_for_words
from tasks.search.parameters import SEARCH, query_of


@extend_schema_field({"type": "string", "format": "uri", "maxLength": 2000, "pattern": "^https?://"})
class CallbackUrl(Text):
    def to_internal_value(self, data: Any) -> str:
        try:
            return Url().accept(super().to_internal_value(data))
        except Wrong as error:
            raise serializers.ValidationError([str(error)]) from None


class Moment(serializers.DateTimeField):
    def to_internal_value(self, data: Any) -> datetime:
        try:
            return due.at(super().to_internal_value(data))
        except (ValueError, OverflowError):
            raise serializers.ValidationError([f"Give a moment before the year {due.LATEST.year}."]) from None


class JobIn(Strict):
    """`copy_of` takes kind and parameters from another job; what is given counts more. Secrets never come along."""

    kind = Text(max_length=200, required=False)
    params = serializers.DictField(required=False, help_text="as the kind's JSON Schema has them")
    priority = Whole(min_value=0, max_value=9, required=False, allow_null=True)
    due_at = Moment(required=False, allow_null=True)
    callback_url = CallbackUrl(max_length=2000, required=False)
    copy_of = Id(required=False, allow_null=True)


class Jobs(ResourceView):
    actions = {"GET": "see", "POST": "submit"}

    @extend_schema(operation_id="list_jobs", parameters=[*SEARCH, LIMIT, CURSOR], responses=shapes.JobPage)
    def get(self, request: Any) -> Response:
        """Jobs, newest first. Filters are joined by AND. `args.<name>=` finds those with that value of a parameter."""
        arguments = filter(is_argument, request.query_params)
        asked = self.asked("q", *FILTERS, *arguments, *pagination.PARAMETERS)
        query = query_of({name: asked[name] for name in asked if name not in pagination.PARAMETERS}, self.actor.name)
        notes = taken_for_words(" ".join(asked.get("q", ())))
        at = pagination.place(asked, "jobs")
        limit = pagination.limit(asked)
        found = finder.find(query, visible(self.actor, Job.every.all()), **at._asdict(), limit=limit)
        gaps = unseen.gaps(query, found.jobs, newest=found.newer is None, oldest=found.older is None)
        stopped = not found.complete and len(found.jobs) < limit  # before the page was full
        return Response(
            {
                "results": [job.summary() for job in found.jobs],
                "next": None if found.older is None else pagination.link(request, "jobs", older=found.older),
                "previous": None if found.newer is None else pagination.link(request, "jobs", newer=found.newer),
            }
            | ({"looked": {"complete": found.complete, "back_to": instant(found.back_to)}} if stopped else {})
            | ({"notes": notes} if notes else {})
            | ({"gaps": gaps} if gaps else {})
        )

    @extend_schema(
        operation_id="submit_job",
        parameters=[IDEMPOTENCY],
        request=JobIn,
        responses={200: shapes.JobSummary, 201: shapes.JobSummary},
    )
    def post(self, request: Any) -> Response:
        """Submit a job. Once this answers 201, the job exists whatever fails next."""
        given = self.given(JobIn)
        key = key_of(request)
        original = self._original(given.get("copy_of"))
        if original and original.app:
            return self._run_again(original, given, key)
        kind, params = self._asked_for(given, original)
        asking.refuse_used_key(self.actor, key)
        order = {name: given[name] for name in ("priority", "due_at", "callback_url") if name in given}
        job, created = actions.submit(self.actor, kind, params, key=key, copy_of=original, **order)
        place = versions.link(request, "job", uid=job.uid)
        return Response(job.summary(), status=201 if created else 200, headers={"Location": place})

    def _run_again(self, task: Job, given: dict[str, Any], key: str | None) -> Response:
        """A watched task with its real arguments, sent to its own application; its row comes when it is seen there."""
        if more := [name for name in given if name != "copy_of" and given[name] not in (None, task.kind)]:
            raise wrong(**dict.fromkeys(more, "A task of a watched application is run again as it was."))
        order, created = asking.run_again(self.actor, task, once=key)
        uid = UUID(order["values"]["task"])
        new = Job.every.select_related("owner").filter(uid=uid).first() or Job(
            uid=uid, app=task.app, kind=task.kind, queue=task.queue, title=task.title, state=Job.State.QUEUED,
            version=0, max_attempts=1, copy_of=task.uid, created_at=datetime.fromisoformat(order["asked_at"]),
        )  # fmt: skip
        place = versions.link(self.request, "job", uid=uid)
        return Response(new.summary(), status=201 if created else 200, headers={"Location": place})

    def _original(self, uid: UUID | None) -> Job | None:
        job = Job.every.filter(uid=uid).first() if uid else None
        if uid and (job is None or not may(self.actor, "see", job)):
            raise wrong(copy_of="There is no such job.")
        return job

    def _asked_for(self, given: dict[str, Any], original: Job | None) -> tuple[str, dict[str, Any]]:
        name = given.get("kind") or (original and original.kind)
        if not name:
            raise wrong(kind="Give the name of a kind, or copy_of.")
        name = registry.own_name(name)
        if original and original.kind != name:
            raise wrong(kind="The job that is copied is of another kind.")
        if (given_bytes := size(given.get("params", {}))) > LARGEST:  # before a word about what stands in them
            raise TooLarge(given_bytes)
        hidden = registry.get(name).signature.secrets
        copied = {key: value for key, value in original.params.items() if key not in hidden} if original else {}
        return name, copied | given.get("params", {})


class CancelIn(Strict):
    reason = Text(max_length=500, required=False, allow_blank=True)


urlpatterns = Operations(path("jobs/", Jobs.as_view(), name="jobs"))


@urlpatterns.get("jobs/<uuid:uid>/", "see", shapes.JobDetail, name="job")
def get_job(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> dict[str, Any]:
    """A job whole: its summary, parameters, result, attempts and the end of its log."""
    return details.detail(view.job(uid))


@urlpatterns.get(
    "jobs/<uuid:uid>/log/", "see", shapes.page(shapes.LogLineShape, "LogPage"),
    OpenApiParameter("after", {"type": "integer", "minimum": 0, "default": 0}), LIMIT_OF_ALL, name="job-log",
)  # fmt: skip
def get_job_log(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> dict[str, Any]:
    """Log lines in their order, those after a number. `next` is null when there are no more for now."""
    after = asked.get("after", ["0"])[-1]
    if not (after.isascii() and after.isdigit() and int(after[:20]) < 2**63):
        raise wrong(after="Give the number of a line, or 0.")
    job, limit = view.job(uid), pagination.limit(asked, default=100)
    lines = details.log_after(job, int(after), limit + 1)
    address = view.request.build_absolute_uri(view.request.path)
    onward = f"{address}?after={lines[limit - 1]['seq']}&limit={limit}" if len(lines) > limit else None
    upto = min(int(after), job.log_seq)
    before = max(0, upto - limit)
    backward = f"{address}?after={before}&limit={upto - before}" if upto else None
    return {"results": lines[:limit], "next": onward, "previous": backward}


@urlpatterns.post("jobs/<uuid:uid>/cancel/", "cancel", shapes.JobSummary, CancelIn, name="job-cancel")
def cancel_job(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Cancel what waits, ask what runs to stop. The same again is no error; a job that has ended answers 409."""
    return verbs.cancel(view.actor, view.job(uid), given.get("reason", "")).summary()


@urlpatterns.post("jobs/<uuid:uid>/retry/", "retry", shapes.JobSummary, name="job-retry")
def retry_job(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Try a failed or cancelled job again. One that succeeded is copied instead: `copy_of`."""
    return verbs.retry(view.actor, view.job(uid)).summary()


@urlpatterns.post("jobs/<uuid:uid>/take-back/", "take_back", shapes.JobSummary, name="job-take-back")
def take_back_cancel(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """Undo the cancel of a job that waited: it is scheduled, queued or retrying as before."""
    return verbs.take_back(view.actor, view.job(uid)).summary()
