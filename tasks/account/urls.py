"""Addresses of the login, of one's own account, and of the audit trail."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from tasks.account import audit, views
from tasks.account.login import Login, log_out_everywhere

urlpatterns = [
    path("login/", Login.as_view(), name="login"),
    path("logout/everywhere/", log_out_everywhere, name="logout-everywhere"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", views.AccountView.as_view(), name="account"),
    path("account/password/", views.PasswordView.as_view(), name="password"),
    path("account/tokens/", views.MakeTokenView.as_view(), name="token-make"),
    path("account/tokens/<uuid:uid>/delete/", views.EndTokenView.as_view(), name="token-end"),
    path("audit/", audit.AuditView.as_view(), name="audit"),
]
