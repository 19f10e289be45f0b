"""The addresses of the pages of alerts."""

from django.urls import path

from tasks.alerts import views

urlpatterns = [
    path("alerts/", views.AlertsPage.as_view(), name="alerts"),
    path("alerts/rules/new/", views.RuleCreate.as_view(), name="alert-rule-new"),
    path("alerts/rules/<uuid:uid>/", views.RuleUpdate.as_view(), name="alert-rule"),
    path("alerts/rules/<uuid:uid>/delete/", views.RuleDelete.as_view(), name="alert-rule-delete"),
    path("alerts/rules/<uuid:uid>/mute/", views.RuleMute.as_view(), name="alert-rule-mute"),
    path("alerts/<uuid:uid>/snooze/", views.Snooze.as_view(), name="alert-snooze"),
    path("alerts/<uuid:uid>/dismiss/", views.Dismiss.as_view(), name="alert-dismiss"),
]
