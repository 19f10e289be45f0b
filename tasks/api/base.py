"""Base classes of the API: permissions, parsing of bodies and rendering of answers.

``actions`` of a view maps each method to its action of ``tasks.access.permissions``. Other methods answer 405. Views of
a team's apps derive from ``ResourceView`` too.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.core.validators import RegexValidator
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tasks.access import audit
from tasks.access.permissions import OWN, Actor, grant, may
from tasks.api import auth, versions
from tasks.api.problems import Problem, answer, wrong
from tasks.engine.models import Job
from tasks.params.types import UNSTORABLE

T = TypeVar("T")
M = TypeVar("M", bound=Model)
BODY_LIMIT = 1024 * 1024
LONGEST, MOST = 1_000, 100  # characters of one query parameter, and how often it may be given
GONE = "It was deleted meanwhile."


class VendorJsonRenderer(JSONRenderer):
    media_type = versions.VENDOR


class StrictJson(JSONParser):
    """JSON in UTF-8 whose texts every database can hold."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            found = super().parse(stream, media_type, {**(parser_context or {}), "encoding": "utf-8"})
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        if any(UNSTORABLE.search(text) for text in texts(found)):
            raise ParseError("A text holds a character that cannot be stored (NUL, half of a surrogate pair).")
        return found


class VendorStrictJson(StrictJson):
    media_type = versions.VENDOR


class Negotiation(DefaultContentNegotiation):
    """Reads the Accept header only; there is no ?format=."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        renderer, _ = super().select_renderer(request, renderers)
        return renderer, renderer.media_type


class Permitted(BasePermission):
    """Checks the table of ``tasks.access.permissions``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = Actor.of(request)
        if actor.is_anonymous:
            raise NotAuthenticated
        return not view.action or may(actor, view.action)  # without an action a 405 follows


class ResourceView(APIView):
    """The base of all views of the API."""

    actions: ClassVar[dict[str, str]] = {}  # method → action; HEAD comes with GET
    body_limit = BODY_LIMIT
    path_version: str | None = None  # as the address names it
    authentication_classes = (auth.ByToken, SessionAuthentication)  # the first one says what a 401 asks for
    permission_classes = (Permitted,)
    renderer_classes = (JSONRenderer, VendorJsonRenderer)
    parser_classes = (StrictJson, VendorStrictJson)
    content_negotiation_class = Negotiation
    metadata_class = None
    request: Request

    @property
    def action(self) -> str:
        method = "GET" if self.request.method == "HEAD" else self.request.method
        return self.actions.get(method or "", "")

    @property
    def actor(self) -> Actor:
        return Actor.of(self.request)

    @property
    def allowed_methods(self) -> list[str]:
        return [method for method in super().allowed_methods if method != "OPTIONS"]

    def dispatch(self, request: HttpRequest, *args: Any, version: str | None = None, **kwargs: Any) -> HttpResponse:
        self.path_version = version
        return super().dispatch(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept chunked bodies, which DRF takes for empty because they have no Content-Length."""
        request.META["CONTENT_LENGTH"] = str(size(request))
        return super().initialize_request(request, *args, **kwargs)

    def determine_version(self, request: Request, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        return versions.of(request, self.path_version), None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if size(request._request) > self.body_limit:
            raise Problem("too-large", f"A body has at most {self.body_limit:,} bytes here.")

    def get_exception_handler(self) -> Callable[..., Response]:
        return answer

    def finalize_response(self, request: Any, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().finalize_response(request, response, *args, **kwargs)
        response[versions.HEADER] = getattr(request, "version", None) or versions.NEWEST
        if response.status_code != 405:
            del response["Allow"]
        return response

    def given(self, form: type[serializers.Serializer], **options: Any) -> dict[str, Any]:
        """Return the validated body. Fields that the form does not have are refused."""
        checked = form(data=self.request.data, context={"view": self}, **options)
        checked.is_valid(raise_exception=True)
        return checked.validated_data

    def asked(self, *names: str) -> dict[str, list[str]]:
        """The query's parameters. An unknown name is refused: a typing error must not widen a search."""
        query = {name: values for name, values in self.request.query_params.lists() if name != "version"}
        unknown = [name for name in query if name not in names]
        if unknown:
            known = f"There are: {', '.join(names)}." if names else "There are none here."
            raise wrong(**{name[:100]: f"There is no such parameter. {known}" for name in unknown})
        if long := [name for name, values in query.items() if len(values) > MOST or max(map(len, values)) > LONGEST]:
            raise wrong(**dict.fromkeys(long, f"Give at most {LONGEST:,} characters, and {MOST} values."))
        if any(UNSTORABLE.search(text) for values in query.values() for text in values):
            raise wrong(**dict.fromkeys(query, "It holds a character that cannot be looked for."))
        return query

    def do(self, target: Any, call: Callable[[], T], /, **detail: Any) -> T:
        """Call ``call`` and write the audit entry of this request.

        A row that was there when the request came and is gone now is a 404, as if the request had come later.
        """
        try:
            return audit.do(self.request, self.action, target, call, **detail)
        except Job.DoesNotExist:
            raise
        except ObjectDoesNotExist:
            raise Problem("not-found", GONE) from None
        except DatabaseError as error:
            if "did not affect any rows" in str(error):  # Django's words for an UPDATE that met nothing
                raise Problem("not-found", GONE) from None
            raise

    def created(self, body: dict[str, Any], uid: UUID) -> Response:
        """The answer with a new row, and the row's address below this one."""
        place = self.request.build_absolute_uri(f"{self.request.path}{uid}/")
        return Response(body, status=201, headers={"Location": place})

    def job(self, uid: UUID) -> Job:
        """The job, if it is this actor's to see and to do this to; or else it is unknown, in the same words."""
        job = Job.every.select_related("owner").filter(uid=uid).first()
        seen = job is not None and may(self.actor, "see", job) and may(self.actor, self.action, job)
        if not seen:
            if grant(self.actor, self.action) == OWN:
                audit.refused(self.request, self.action, uid, "unknown-job")
            raise Problem("unknown-job")
        return job


def find(rows: QuerySet[M], noun: str, **columns: Any) -> M:
    """The row with these columns, or a 404 that says what there is none of."""
    found = rows.filter(**columns).first()
    if found is None:
        raise Problem("not-found", f"There is no such {noun}.")
    return found


class Strict(serializers.Serializer):
    """A body's form: fields that it does not have are refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [name for name in data if name not in self.fields]):
            raise serializers.ValidationError({str(name)[:100]: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """JSON's strings only: 5 is not "5". Its length is looked at before anything else looks at it."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, (bool, str)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Number(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, (bool, str)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Web(Text):
    """A web address. Whether it leads anywhere is not checked here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators.append(
            RegexValidator("^[Hh][Tt][Tt][Pp][Ss]?://", "Only http and https addresses can be fetched.")
        )


class Id(serializers.UUIDField):
    """As our answers write it: neither false nor 7 is one."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or len(data) > 100:
            self.fail("invalid", value=str(data)[:100])
        return super().to_internal_value(data)


def texts(value: Any) -> Iterator[str]:
    """Every text in what JSON held, names too."""
    rest = [value]
    while rest:
        match rest.pop():
            case str(text):
                yield text
            case dict(members):
                rest += [*members, *members.values()]
            case list(items):
                rest += items


def size(request: HttpRequest) -> int:
    """The bytes of a body: as announced, or as they lie in the file that the server has read them into."""
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        announced = 0
    body = getattr(request, "_stream", None)
    if announced or not hasattr(body, "seekable") or not body.seekable():
        return announced
    at = body.tell()
    length = body.seek(0, 2)
    body.seek(at)
    return length


class Nothing(Strict):
    """An empty body, or an empty object."""
