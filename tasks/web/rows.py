"""Pages of a table: a list page by page, forms that make and change a row, a page that deletes it, single actions.

A feature derives one class from ``RowPage`` that names its model, and puts it before one of the classes below or one of
Django's generic views.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.generic import CreateView, DeleteView, UpdateView, View

from tasks.access import audit
from tasks.access.permissions import may
from tasks.web.pages import Allowed, PageContext, uid_or_404

M = TypeVar("M", bound=Model)


def newest(request: HttpRequest, rows: QuerySet[M], size: int) -> tuple[list[M], str]:
    """A page of rows, newest first, from ``?before=<uid>`` on; and the query of the next page, or "" on the last."""
    rows = rows.order_by("-id")
    if before := request.GET.get("before"):
        rows = rows.filter(id__lt=get_object_or_404(rows.model, uid=uid_or_404(before)).pk)
    found = list(rows[: size + 1])
    return found[:size], f"before={found[size - 1].uid}" if len(found) > size else ""


class OfTable(Allowed):
    """``noun`` names a row on screen, in the audit trail and as the address of its page. ``here`` is the list."""

    noun = ""

    def audited(self, call: Callable[[], Any], row: Any = None, **detail: Any) -> Any:
        """Call ``call`` with an audit entry about ``row``, or about the row that it returns."""
        target = f"{self.noun} {row.uid}" if row else lambda made: f"{self.noun} {made.uid}"
        return audit.do(self.request, self.action, target, call, **detail)


class RowPage(OfTable, PageContext):
    slug_field = slug_url_kwarg = "uid"
    rights: ClassVar[dict[str, str]] = {}  # variable of the template → the action that it is about

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        rights = {name: may(self.request.user, action) for name, action in self.rights.items()}
        return super().get_context_data(**rights, **context)

    def get_success_url(self) -> str:
        return reverse(self.noun, args=[self.object.uid])


class NewRow(CreateView):
    template_name = "web/row_form.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(back=reverse(self.here), **context)

    def form_valid(self, form: Any, **detail: Any) -> HttpResponse:
        self.object = self.audited(form.save, **detail)
        return redirect(self.get_success_url())


class ChangeRow(UpdateView):
    template_name = "web/row_form.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(back=self.get_success_url(), **context)

    def form_valid(self, form: Any) -> HttpResponse:
        self.audited(form.save, self.object, changed=form.changed_data)
        return redirect(self.get_success_url())


class DeleteRow(DeleteView):
    template_name = "web/row_delete.html"
    warning = ""  # what the page says beside the row's name
    kept = ""  # the column that the audit entry keeps

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(back=self.get_success_url(), warning=self.warning, **context)

    def remove(self, row: Any) -> None:
        row.delete()

    def form_valid(self, form: Any) -> HttpResponse:
        row = self.object
        self.audited(lambda: self.remove(row), row, deleted=getattr(row, self.kept, True))
        messages.info(self.request, f"The {self.noun} {row} was deleted.")
        return redirect(self.here)


class RowAction(OfTable, View):
    """Something done to one row by a POST of its own. ``do`` returns what to say of it, if anything."""

    http_method_names = ["post"]
    rows: ClassVar[QuerySet[Any]]
    here = ""  # where it leads; empty: to the row's page

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        row = get_object_or_404(self.rows, uid=uid)
        if said := self.do(row):
            messages.info(request, said)
        return redirect(self.here) if self.here else redirect(self.noun, uid)

    def do(self, row: Any) -> str | None:
        raise NotImplementedError
