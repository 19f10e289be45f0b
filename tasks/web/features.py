"""What an app brings to the product, said on its AppConfig: menu links, live topics, old rows, pages and API.

    class ShopConfig(AppConfig):
        name = "shop"
        links = [Link("orders", "see_rows")]
        topics = {"orders": Topic("see_rows", "shop.views.orders_mark")}
        expired = {"orders": "shop.views.expired_orders"}
        pages = "shop.views.pages"
        api = "shop.views.resources"

Each attribute is optional, for our own features as for an app of a team. A dotted path is imported when it is used.
"""

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.urls import include, path
from django.utils.module_loading import import_string


class Link(NamedTuple):
    """A page in the menu: the name of its address, and the action of ``tasks.access.permissions`` that opens it."""

    name: str
    action: str
    label: str = ""  # in the menu, where it is not the name
    first: bool = False  # in the bar itself, where there is room
    place: int = 100  # in the menu, the lowest first
    example: bool = False  # among the examples, below the others


class Topic(NamedTuple):
    """A live topic: the action that lets somebody watch it, and the dotted path of a function without arguments.

    The function returns a value that differs when the rows behind the topic may have changed. It is called at each
    reconcile while a page asks for the topic, so it must be a few cheap queries.
    """

    action: str
    mark: str


@cache
def links() -> list[Link]:
    """The links of every app, in the order of the menu."""
    return sorted((link for app in _with("links") for link in app.links), key=lambda link: link.place)


@cache
def topics() -> dict[str, tuple[str, Callable[[], Any]]]:
    """Topic → the action that lets somebody watch it, and the function that reads its mark."""
    found = {name: topic for app in _with("topics") for name, topic in app.topics.items()}
    return {name: (topic.action, import_string(topic.mark)) for name, topic in found.items()}


def expired() -> dict[str, Callable[..., Any]]:
    """Name → the function that takes the time of now and returns the QuerySet of rows that ``prune`` deletes."""
    return {name: import_string(place) for app in _with("expired") for name, place in app.expired.items()}


def addresses(attribute: str) -> list[Any]:
    """The includes of every app's ``pages`` or ``api``: a module with ``urlpatterns``, or the dotted path of a list."""
    return [path("", include(_patterns(getattr(app, attribute)))) for app in _with(attribute)]


def _patterns(place: str) -> Any:
    try:
        return import_module(place)
    except ModuleNotFoundError as missing:
        if missing.name != place:  # a module that the module itself imports
            raise
        return import_string(place)


def _with(attribute: str) -> Iterator[Any]:
    for app in apps.get_app_configs():
        if getattr(app, attribute, None) and (settings.SIGNALBOX_SAMPLES or not getattr(app, "is_sample", False)):
            yield app
