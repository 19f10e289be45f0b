"""Django's admin: only for admins, and with the login page of all other pages."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tasks.access.permissions import may


class Site(AdminSite):
    site_header = site_title = "Signalbox"

    def has_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "people")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect to the login page: Django's own form has no throttle."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", "/admin/"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect too: Django's own page would take guesses of a password without throttle and audit entry."""
        return redirect("password")

    def password_change_done(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("account")
