"""The pages that the ``type`` of every problem leads to: /problems/ and /problems/<code>. For everybody."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tasks.api.problems import CATALOGUE


@require_safe
def catalogue(request: HttpRequest, code: str = "") -> HttpResponse:
    """What a code means; without one, all of them."""
    if code and code not in CATALOGUE:
        raise Http404("There is no such problem.")
    shown = {name: kind for name, kind in CATALOGUE.items() if not code or name == code}
    return render(request, "api/problems.html", {"problems": shown, "one": bool(code)})
