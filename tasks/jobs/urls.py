"""Addresses of the board, of submitting, and of one job."""

from django.urls import path

from tasks.jobs import action_views, board, job, submit

urlpatterns = [
    path("", board.BoardView.as_view(), name="board"),
    path("submit/", submit.SubmitView.as_view(), name="submit"),
    path("submit/<name:kind>/", submit.SubmitKindView.as_view(), name="submit-kind"),
    path("jobs/picked/", action_views.PickedView.as_view(), name="picked"),
    path("jobs/<uuid:uid>/", job.JobView.as_view(), name="job"),
    path("jobs/<uuid:uid>/params/", job.ValueView.as_view(part="params"), name="job-params"),
    path("jobs/<uuid:uid>/result/", job.ValueView.as_view(part="result"), name="job-result"),
    path("jobs/<uuid:uid>/attempts/<int:number>/", job.TraceView.as_view(), name="job-traceback"),
    path("jobs/<uuid:uid>/lines/", job.LinesView.as_view(), name="job-lines"),
    path("jobs/<uuid:uid>/outcome/", job.OutcomeView.as_view(), name="job-outcome"),
    path("jobs/<uuid:uid>/log/", job.LogView.as_view(), name="job-log"),
    path("jobs/<uuid:uid>/cancel/", action_views.JobActionView.as_view(action="cancel"), name="job-cancel"),
    path("jobs/<uuid:uid>/retry/", action_views.JobActionView.as_view(action="retry"), name="job-retry"),
    path("jobs/<uuid:uid>/take-back/", action_views.JobActionView.as_view(action="take_back"), name="job-take-back"),
    path("jobs/<uuid:uid>/again/", action_views.RunAgainView.as_view(), name="job-again"),
]
