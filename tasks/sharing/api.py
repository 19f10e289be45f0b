"""Share links: one job shown to somebody without an account, until the link expires or is taken back."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from tasks.access.models import ShareLink
from tasks.api import pagination, shapes
from tasks.api.base import ResourceView, Strict, Text, Whole
from tasks.api.pagination import CURSOR, LIMIT
from tasks.api.problems import Problem
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


class ShareJob(ResourceView):
    actions = {"GET": "share", "POST": "share"}

    @extend_schema(
        operation_id="list_share_links", parameters=[LIMIT, CURSOR], responses=shapes.page(shapes.ShareShape)
    )
    def get(self, request: Any, uid: UUID) -> Response:
        """The job's share links, without their addresses."""
        asked = self.asked(*pagination.PARAMETERS)
        links = ShareLink.objects.filter(job=self.job(uid)).select_related("job")
        return pagination.answer(request, "shares", links, sharing.link_to_dict, asked)

    @extend_schema(operation_id="share_job", request=ShareIn, responses={201: shapes.NewShare})
    def post(self, request: Any, uid: UUID) -> Response:
        """A link that shows this one job, read-only, without an account, until it expires or is taken back."""
        given, job = self.given(ShareIn), self.job(uid)
        if job.app:
            raise Problem("conflict", "Only our own jobs are shared by a link.")
        link = sharing.draft(job, self.actor.user, given["hours"], given["framed_by"])
        self.do(job.uid, link.save, until=link.expires_at.isoformat())
        return Response(
            sharing.link_to_dict(link) | {"url": request.build_absolute_uri(sharing.path(link))},
            status=201,
        )


class OneShare(ResourceView):
    actions = {"DELETE": "share"}

    @extend_schema(operation_id="revoke_share_link", responses={204: None})
    def delete(self, request: Any, uid: UUID, link: UUID) -> Response:
        """Take a link back: whoever has it sees nothing more."""
        job = self.job(uid)
        live = ShareLink.objects.filter(job=job, uid=link, revoked_at__isnull=True).first()
        if live is None:
            raise Problem("not-found", "There is no such link.")
        self.do(job.uid, lambda: sharing.end(live), link=str(link), revoked=True)
        return Response(status=204)


urlpatterns = [
    path("jobs/<uuid:uid>/share/", ShareJob.as_view(), name="job-share"),
    path("jobs/<uuid:uid>/share/<uuid:link>/", OneShare.as_view(), name="share-link"),
]
