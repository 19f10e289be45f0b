"""Where the API is. The same resources stand below /api/v1/ and below /api/, where the newest version answers.

An app with resources of its own adds one line to RESOURCES: ``path("", include("tasks.kinds.feeds.api"))``; its module
has ``urlpatterns`` whose views derive from ``tasks.api.base.Endpoint``.
"""

from django.urls import include, path, re_path

from tasks.api import bulk, house, jobs, missing, schema, shares, tokens
from tasks.api.versions import VERSIONS

RESOURCES = [
    path("kinds/", jobs.Kinds.as_view(), name="kinds"),
    path("jobs/", jobs.Jobs.as_view(), name="jobs"),
    path("jobs/<uuid:uid>/", jobs.OneJob.as_view(), name="job"),
    path("jobs/<uuid:uid>/log/", jobs.JobLog.as_view(), name="job-log"),
    path("jobs/<uuid:uid>/cancel/", jobs.CancelJob.as_view(), name="job-cancel"),
    path("jobs/<uuid:uid>/retry/", jobs.RetryJob.as_view(), name="job-retry"),
    path("jobs/<uuid:uid>/take-back/", jobs.TakeBackJob.as_view(), name="job-take-back"),
    path("jobs/<uuid:uid>/share/", shares.ShareJob.as_view(), name="job-share"),
    path("jobs/<uuid:uid>/share/<uuid:link>/", shares.OneShare.as_view(), name="share-link"),
    path("bulk/", bulk.Bulk.as_view(), name="bulk"),
    path("queues/", house.Queues.as_view(), name="queues"),
    path("queues/<str:name>/pause/", house.PauseQueue.as_view(), name="queue-pause"),
    path("queues/<str:name>/resume/", house.ResumeQueue.as_view(), name="queue-resume"),
    path("workers/", house.Workers.as_view(), name="workers"),
    path("stats/", house.Statistics.as_view(), name="stats"),
    path("audit/", house.AuditTrail.as_view(), name="audit"),
    path("tokens/", tokens.Tokens.as_view(), name="tokens"),
    path("tokens/<uuid:uid>/", tokens.OneToken.as_view(), name="token"),
    path("", include("tasks.hooks.api")),
    path("", include("tasks.timetable.api")),
    path("", include("tasks.alarms.api")),
    path("", include("tasks.failures.api")),
    path("", include("tasks.kinds.feeds.api")),
    path("", include("tasks.kinds.images.api")),
]

schema.RESOURCES.append(RESOURCES)
app_name = "api"
urlpatterns = [
    path("schema/", schema.Document.as_view(), name="schema"),
    path("docs/", schema.Pages.as_view(), name="docs"),
    *(path(f"{version}/", include(RESOURCES), {"version": version}) for version in VERSIONS),
    path("", include(RESOURCES)),
    path("", missing.Root.as_view(), name="root"),
    re_path(r"^(?P<rest>.*)$", missing.Missing.as_view(), name="missing"),
]
