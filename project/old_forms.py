"""The page for a form without the right token: every process checks at its start that it is there."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the right token. What was typed is offered to be sent again, but never what another site sent."""
    typed = [
        (name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"
    ]
    ours = same_origin(request) and not any("password" in name for name, _ in typed)
    context = {"kept": typed if ours else [], "files": bool(request.FILES), "address": request.get_full_path()}
    return HttpResponse(render_to_string("403_csrf.html", context, request), status=403)


def same_origin(request: HttpRequest) -> bool:
    """Whether a page of ours sent this: browsers say so, and no page can make them lie."""
    scheme = "https" if request.is_secure() else "http"
    return request.headers.get("Origin") in (f"{scheme}://{request.get_host()}", *settings.SIGNALBOX_ORIGINS)
