"""The addresses of the pages of checks."""

from django.urls import path

from tasks.kinds.checks import views

urlpatterns = [
    path("checks/", views.ServiceList.as_view(), name="checks"),
    path("checks/<uuid:uid>/", views.ServiceDetail.as_view(), name="check"),
    path("checks/<uuid:uid>/now/", views.CheckNow.as_view(), name="check-now"),
    path("checks/<uuid:uid>/forget/", views.Forget.as_view(), name="check-forget"),
]
