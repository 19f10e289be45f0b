"""The addresses of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from tasks import account, audit_page, deeds, house, job_page, manual, searching, selftest, share_pages, views
from tasks.login import Login, log_out_everywhere

urlpatterns = [
    path("", views.BoardView.as_view(), name="board"),
    path("login/", Login.as_view(), name="login"),
    path("logout/everywhere/", log_out_everywhere, name="logout-everywhere"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", account.AccountView.as_view(), name="account"),
    path("account/password/", account.PasswordView.as_view(), name="password"),
    path("account/tokens/", account.MakeTokenView.as_view(), name="token-make"),
    path("account/tokens/<uuid:uid>/delete/", account.EndTokenView.as_view(), name="token-end"),
    path("submit/", views.SubmitView.as_view(), name="submit"),
    path("submit/<str:kind>/", views.SubmitKindView.as_view(), name="submit-kind"),
    path("jobs/", searching.JobsView.as_view(), name="jobs"),
    path("jobs/bulk/", searching.BulkView.as_view(), name="bulk"),
    path("jobs/picked/", deeds.PickedView.as_view(), name="picked"),
    path("jobs/<uuid:uid>/", job_page.JobView.as_view(), name="job"),
    path("jobs/<uuid:uid>/params/", job_page.ValueView.as_view(part="params"), name="job-params"),
    path("jobs/<uuid:uid>/result/", job_page.ValueView.as_view(part="result"), name="job-result"),
    path("jobs/<uuid:uid>/attempts/<int:number>/", job_page.TraceView.as_view(), name="job-traceback"),
    path("jobs/<uuid:uid>/lines/", job_page.LinesView.as_view(), name="job-lines"),
    path("jobs/<uuid:uid>/log/", job_page.LogView.as_view(), name="job-log"),
    path("jobs/<uuid:uid>/cancel/", deeds.CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:uid>/retry/", deeds.RetryView.as_view(), name="job-retry"),
    path("jobs/<uuid:uid>/take-back/", deeds.TakeBackView.as_view(), name="job-take-back"),
    path("jobs/<uuid:uid>/again/", deeds.RunAgainView.as_view(), name="job-again"),
    path("jobs/<uuid:uid>/share/", share_pages.SharesView.as_view(), name="job-share"),
    path("jobs/<uuid:uid>/share/<uuid:link>/delete/", share_pages.EndShareView.as_view(), name="job-share-end"),
    path("docs/", manual.ManualView.as_view(), name="manual"),
    path("docs/<path:page>", manual.ManualView.as_view(), name="manual-page"),
    path("audit/", audit_page.AuditView.as_view(), name="audit"),
    path("workers/", house.WorkersView.as_view(), name="workers"),
    path("self-test/", selftest.SelfTestView.as_view(), name="self-test"),
    path("charts/", house.ChartsView.as_view(), name="charts"),
    path("queues/<str:name>/pause/", house.PauseView.as_view(), name="queue-pause"),
    path("queues/<str:name>/resume/", house.ResumeView.as_view(), name="queue-resume"),
]
