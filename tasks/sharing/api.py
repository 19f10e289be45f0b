"""Share links: one job shown to somebody without an account, until the link expires or is taken back."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access.models import ShareLink
from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, Whole, find
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT
from tasks.sharing import links as sharing


@extend_schema_field({"type": "string", "maxLength": 200, "pattern": f"^{sharing.ORIGIN.pattern}$"})
class Origin(Text):
    def to_internal_value(self, data: Any) -> str:
        origin = super().to_internal_value(data)
        if not sharing.is_origin(origin):
            raise serializers.ValidationError(["Give an origin, such as https://shop.example."])
        return origin.lower()


class ShareIn(Strict):
    """`framed_by`: the origins whose pages may show it in a frame."""

    hours = Whole(min_value=1, max_value=24 * 90, required=False, default=24 * 7)
    framed_by = serializers.ListField(
        child=Origin(max_length=200), max_length=sharing.MOST_ORIGINS, required=False, default=list
    )


urlpatterns = Operations()


@urlpatterns.get("jobs/<uuid:uid>/share/", "share", shapes.page(shapes.ShareShape), LIMIT, CURSOR, name="job-share")
def list_share_links(view: ResourceView, asked: dict[str, list[str]], uid: UUID) -> Response:
    """The job's share links, without their addresses."""
    links = ShareLink.objects.filter(job=view.job(uid)).select_related("job")
    return pagination.answer(view.request, "shares", links, sharing.link_to_dict, asked)


@urlpatterns.post("jobs/<uuid:uid>/share/", "share", {201: shapes.NewShare}, ShareIn, name="job-share")
def share_job(view: ResourceView, given: dict[str, Any], uid: UUID) -> dict[str, Any]:
    """A link that shows this one job, read-only, without an account, until it expires or is taken back."""
    job = view.job(uid)
    link = sharing.draft(job, view.actor.user, given["hours"], given["framed_by"])
    view.do(job.uid, lambda: sharing.make(link), until=link.expires_at.isoformat())
    return sharing.link_to_dict(link) | {"url": view.request.build_absolute_uri(sharing.path(link))}


@urlpatterns.delete("jobs/<uuid:uid>/share/<uuid:link>/", "share", name="share-link")
def revoke_share_link(view: ResourceView, given: dict[str, Any], uid: UUID, link: UUID) -> None:
    """Take a link back: whoever has it sees nothing more."""
    job = view.job(uid)
    live = find(ShareLink.objects.filter(job=job, revoked_at__isnull=True), "link", uid=link)
    view.do(job.uid, lambda: sharing.end(live), link=str(link), revoked=True)
