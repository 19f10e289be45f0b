"""Access rows in Django's admin: tokens and share links can be withdrawn, the audit trail read, nothing created."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from django.dispatch import receiver

from tasks.access import audit
from tasks.access.models import Entry, ShareLink, Token
from tasks.engine.admin import FixedRows


@admin.register(Token)
class TokenAdmin(FixedRows, admin.ModelAdmin):
    list_display = ("token_key", "name", "user", "scope", "created", "expiry", "last_used_at")
    list_filter = ("scope",)
    search_fields = ("token_key", "name", f"user__{get_user_model().USERNAME_FIELD}")
    exclude = ("digest",)


@admin.register(ShareLink)
class ShareLinkAdmin(FixedRows, admin.ModelAdmin):
    list_display = ("job", "owner", "created_at", "expires_at", "revoked_at")


@admin.register(Entry)
class EntryAdmin(FixedRows, admin.ModelAdmin):
    list_display = ("at", "who", "via", "action", "target", "outcome", "code", "address")
    list_filter = ("outcome", "action")
    search_fields = ("who", "target", "address", "request")
    show_full_result_count = False
    has_delete_permission = FixedRows.has_add_permission


@receiver(post_save, sender=LogEntry)
def what_admins_do(sender: Any, instance: LogEntry, created: bool, **_: Any) -> None:
    """Write an audit entry for each change in Django's admin (users, roles, schedules)."""
    if created:
        what = {1: "added", 2: "changed", 3: "deleted"}.get(instance.action_flag, "did")
        target = f"{instance.content_type.model if instance.content_type else ''} {instance.object_repr}"
        audit.note(instance.user, f"admin:{what}", target, "", change=instance.get_change_message()[:500])
