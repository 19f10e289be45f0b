"""The addresses of the pages of schedules."""

from django.urls import path

from tasks.schedules import views

urlpatterns = [
    path("schedules/", views.ScheduleList.as_view(), name="schedules"),
    path("schedules/new/", views.ChooseKind.as_view(), name="schedule-choose"),
    path("schedules/new/<name:kind>/", views.ScheduleCreate.as_view(), name="schedule-new"),
    path("schedules/<uuid:uid>/", views.ScheduleDetail.as_view(), name="schedule"),
    path("schedules/<uuid:uid>/change/", views.ScheduleChangeView.as_view(), name="schedule-change"),
    path("schedules/<uuid:uid>/delete/", views.ScheduleDelete.as_view(), name="schedule-delete"),
    path("schedules/<uuid:uid>/pause/", views.Pause.as_view(), name="schedule-pause"),
    path("schedules/<uuid:uid>/run/", views.RunNow.as_view(), name="schedule-run"),
]
