"""The page behind a share link, for somebody without an account; it may stand in a frame of the origins named in it."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks.access.models import ShareLink
from tasks.sharing import links


@never_cache
@require_safe
def page(request: HttpRequest, link: str) -> HttpResponse:
    """How the one job goes, for as long as the link lives."""
    found = _living(link)
    context = {"job": links.public(found), "state_url": reverse("share-state", args=[link])}
    answer = render(request, "sharing/public.html", context)
    if found.framed_by:
        answer.xframe_options_exempt = True
        answer._csp_replace = {"frame-ancestors": found.framed_by}  # django-csp's own decorator sets the same
    return answer


@never_cache
@require_safe
def state(request: HttpRequest, link: str) -> JsonResponse:
    """The same as JSON, for the page's script."""
    return JsonResponse(links.public(_living(link)))


def _living(link: str) -> ShareLink:
    """Forged, expired, taken back, or of an owner who may share no more: the visitor gets the same answer."""
    found = links.find(link)
    if found is None:
        raise Http404("This link is not valid, or has expired.")
    return found
