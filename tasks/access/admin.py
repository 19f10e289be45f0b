"""Access rows in Django's admin: tokens and share links can be withdrawn, the audit trail read, nothing created."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest

from tasks.access import audit
from tasks.access.models import Entry, ShareLink, Token


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Token)
class TokenAdmin(ReadOnly):
    list_display = ("token_key", "name", "user", "scope", "created", "expiry", "last_used_at")
    list_filter = ("scope",)
    search_fields = ("token_key", "name", f"user__{get_user_model().USERNAME_FIELD}")
    exclude = ("digest",)


@admin.register(ShareLink)
class ShareLinkAdmin(ReadOnly):
    list_display = ("job", "owner", "created_at", "expires_at", "revoked_at")


@admin.register(Entry)
class EntryAdmin(ReadOnly):
    list_display = ("at", "who", "via", "action", "target", "outcome", "code", "address")
    list_filter = ("outcome", "action")
    search_fields = ("who", "target", "address", "request")
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@receiver(post_save, sender=LogEntry)
def what_admins_do(sender: Any, instance: LogEntry, created: bool, **_: Any) -> None:
    """Write an audit entry for each change in Django's admin (users, roles, schedules)."""
    if created:
        what = {1: "added", 2: "changed", 3: "deleted"}.get(instance.action_flag, "did")
        target = f"{instance.content_type.model if instance.content_type else ''} {instance.object_repr}"
        audit.note(instance.user, f"admin:{what}", target, "", change=instance.get_change_message()[:500])
