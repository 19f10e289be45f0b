"""Jobs, workers and queues in Django's admin, read-only: nothing but ``tasks.engine.lifecycle`` moves a job."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from tasks.engine.models import Attempt, Job, Queue, Worker

MOST = 10_000  # rows that a list counts: counting all would read a table of millions


class BoundedPaginator(Paginator):
    @property
    def count(self) -> int:
        return self.object_list[:MOST].count()


class FixedRows(admin.options.BaseModelAdmin):
    """Rows that nobody adds or changes here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_add_permission


class ReadOnlyAdmin(FixedRows, admin.ModelAdmin):
    """Read-only, for admins too."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    has_delete_permission = FixedRows.has_add_permission


class Attempts(FixedRows, admin.TabularInline):
    model = Attempt
    exclude = ("traceback",)
    extra = 0
    can_delete = False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("uid", "kind", "state", "queue", "owner", "created_at", "finished_at")
    list_select_related = ("owner",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("=uid",)
    search_help_text = "The whole id of a job. The Jobs page searches for everything else."
    exclude = ("secrets", "idempotency_digest")
    inlines = (Attempts,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("secrets", "result", "traceback")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "host", "pid", "concurrency", "started_at", "seen_at", "stopped_at")


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    list_display = ("name", "paused", "paused_by", "paused_at")
