"""Watched applications over HTTP: what is known of them, and orders for them."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.response import Response

from tasks.api import pagination, shapes
from tasks.api.base import Number, ResourceView, Strict, Text, Whole, find
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT, LIMIT_OF_ALL
from tasks.api.problems import Problem, wrong
from tasks.engine.applications import ALL, OWN
from tasks.observe import asking, values, watched
from tasks.observe.models import App, Order, OrderState

MISSING = "There is no such watched application."
APP = OpenApiParameter("app", str, description="name of a watched app; `*`: all; without it, our own")


class AppShape(s.Serializer):
    """A watched application."""

    name = s.CharField()
    transport = s.CharField(help_text="redis or amqp")
    as_of = s.DateTimeField(allow_null=True, help_text="up to when everything that came is in the rows")
    lag_s = s.FloatField(allow_null=True, help_text="how far what is shown is behind; null: nothing was read yet")
    events = s.ChoiceField(choices=["on", "off", "partly"], help_text="whether its workers send events of tasks")
    workers = s.IntegerField(help_text="that live")
    unseen = s.IntegerField(help_text="tasks that began and that nobody saw, in all")
    gaps = shapes.GapShape(many=True, help_text="the newest")


class AnswerShape(s.Serializer):
    worker = s.CharField()
    said = s.CharField(allow_blank=True)


class OrderShape(s.Serializer):
    """What was asked of a watched application, and what each of its workers said."""

    id = s.UUIDField()
    app = s.CharField()
    order = s.CharField()
    values = s.DictField()
    job = s.UUIDField(allow_null=True)
    by = s.CharField(allow_null=True)
    state = s.ChoiceField(choices=OrderState.values)
    answers = AnswerShape(many=True)
    said = s.CharField(allow_null=True)
    asked_at = s.DateTimeField()
    answered_at = s.DateTimeField(allow_null=True)


class OrderIn(Strict):
    """`rate_limit` needs kind and rate, `time_limit` kind and hard or soft (seconds), consumers and `purge` a queue.

    `pool_grow` and `pool_shrink` take n (1). `worker` names one worker; without it, all are asked. `shutdown` needs it.
    """

    order = s.ChoiceField(choices=values.ORDERS)
    worker = Text(max_length=200, required=False)
    kind = Text(max_length=200, required=False)
    rate = Text(max_length=30, required=False, help_text="such as 10/m; 0: no limit")
    hard = Number(min_value=0, max_value=10**7, required=False)
    soft = Number(min_value=0, max_value=10**7, required=False)
    n = Whole(min_value=1, max_value=1_000, required=False)
    queue = Text(max_length=200, required=False)


def placed(actor: Any, app: str, order: str, given: dict[str, Any]) -> Order:
    """Place an order, for API and pages. Raises Problem, NotAllowed and Refused."""
    if order in ("pool_grow", "pool_shrink"):
        given = {"n": 1} | given
    try:
        made = asking.place_order(app, order, actor=actor, **given)
    except App.DoesNotExist:
        raise Problem("not-found", MISSING) from None
    except asking.Invalid as invalid:
        raise wrong(**invalid.errors) from None
    return Order.objects.select_related("app").get(uid=made["id"])


def named(asked: dict[str, list[str]]) -> list[str]:
    """The applications that the parameter APP means, ``own`` among them. Raises Problem."""
    choice, names = asked.get("app", [OWN])[-1], watched.names()
    if choice not in (OWN, ALL, *names):
        raise wrong(app="No application of that name is watched.")
    return [OWN, *names] if choice == ALL else [choice]


urlpatterns = Operations()


@urlpatterns.get("apps/", "board", shapes.page(AppShape, "AppList"), LIMIT_OF_ALL, CURSOR, name="apps")
def list_apps(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    """Watched applications: how current what is shown of them is, and what nobody saw."""
    return pagination.listed(view.request, "apps", watched.apps(), asked)


@urlpatterns.get("apps/<slug:app>/", "board", AppShape, name="app")
def get_app(view: ResourceView, asked: dict[str, list[str]], app: str) -> dict[str, Any]:
    try:
        return watched.app(app)
    except App.DoesNotExist:
        raise Problem("not-found", MISSING) from None


@urlpatterns.get("apps/<slug:app>/orders/", "board", shapes.page(OrderShape), LIMIT, CURSOR, name="orders")
def list_orders(view: ResourceView, asked: dict[str, list[str]], app: str) -> Response:
    """What was asked of it, newest first."""
    if not App.objects.filter(name=app).exists():
        raise Problem("not-found", MISSING)
    rows = Order.objects.filter(app__name=app).select_related("app")
    return pagination.answer(view.request, f"orders {app}", rows, Order.to_dict, asked)


@urlpatterns.post("apps/<slug:app>/orders/", "steer", {201: OrderShape}, OrderIn, name="orders")
def give_order(view: ResourceView, given: dict[str, Any], app: str) -> Response:
    """Ask its workers, or its broker. The observer carries it out within a second: read the order again."""
    made = placed(view.actor, app, given.pop("order"), given)
    return view.created(made.to_dict(), made.uid)


@urlpatterns.get("apps/<slug:app>/orders/<uuid:uid>/", "board", OrderShape, name="order")
def get_order(view: ResourceView, asked: dict[str, list[str]], app: str, uid: UUID) -> dict[str, Any]:
    return find(Order.objects.select_related("app"), "order", app__name=app, uid=uid).to_dict()
