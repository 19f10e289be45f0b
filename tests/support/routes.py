"""Every address of the product, and who may do what there: written a second time, to hold the code to it.

A new route needs a line here, or tests/access/test_routes.py fails. PUBLIC: anybody. Otherwise each method with its
action of ``tasks.access.permissions.RULES``.
"""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = "public"

IMAGE = (
    r"^collections/(?P<uid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/(?P<sha256>[0-9a-f]{64})\.jpg$"
)

PAGES = {
    "": "GET page",
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": "GET metrics",
    "start/<str:token>/": PUBLIC,
    "problems/": PUBLIC,
    "problems/<slug:code>": PUBLIC,
    "share/<str:link>/": PUBLIC,
    "share/<str:link>/state/": PUBLIC,
    "login/": PUBLIC,
    "join/<str:token>/": PUBLIC,
    "oidc/login/": PUBLIC,
    "oidc/callback/": PUBLIC,
    "people/": "GET people",
    "people/role/": "POST people",
    "people/switch/": "POST people",
    "people/invite/": "POST people",
    "people/invitations/<uuid:uid>/delete/": "POST people",
    "logout/": PUBLIC,
    "logout/everywhere/": PUBLIC,
    "account/": "GET see_tokens",
    "account/password/": "GET page, POST page",
    "account/tokens/": "POST change_tokens",
    "account/tokens/<uuid:uid>/delete/": "POST change_tokens",
    "submit/": "GET submit",
    "submit/<name:kind>/": "GET submit, POST submit",
    "jobs/": "GET page",
    "jobs/bulk/": "GET bulk, POST bulk",
    "jobs/picked/": "POST page",
    "jobs/<uuid:uid>/": "GET page",
    "jobs/<uuid:uid>/cancel/": "POST cancel",
    "jobs/<uuid:uid>/retry/": "POST retry",
    "jobs/<uuid:uid>/take-back/": "POST take_back",
    "jobs/<uuid:uid>/again/": "POST submit",
    "jobs/<uuid:uid>/params/": "GET page",
    "jobs/<uuid:uid>/result/": "GET page",
    "jobs/<uuid:uid>/attempts/<int:number>/": "GET page",
    "jobs/<uuid:uid>/lines/": "GET page",
    "jobs/<uuid:uid>/log/": "GET page",
    "jobs/<uuid:uid>/outcome/": "GET page",
    "jobs/<uuid:uid>/share/": "GET share, POST share",
    "jobs/<uuid:uid>/share/<uuid:link>/delete/": "POST share",
    "docs/": "GET page",
    "docs/<path:page>": "GET page",
    "audit/": "GET audit",
    "workers/": "GET page",
    "kinds/": "GET page",
    "kinds/<name:kind>/": "GET page",
    "queues/<name:name>/": "GET page",
    "workers/<name:name>/": "GET page",
    "charts/": "GET page",
    "apps/": "GET board",
    "apps/<slug:app>/": "GET board",
    "apps/<slug:app>/orders/<slug:group>/": "POST steer",
    "apps/<slug:app>/tasks/<uuid:uid>/again/": "GET submit, POST submit",
    "apps/<slug:app>/queues/<name:queue>/purge/": "POST purge",
    "self-test/": "GET submit, POST submit",
    "queues/<name:name>/pause/": "POST pause",
    "queues/<name:name>/resume/": "POST pause",
    "webhooks/": "GET see_webhooks",
    "webhooks/new/": "GET change_webhooks, POST change_webhooks",
    "webhooks/callbacks/": "GET see_webhooks",
    "webhooks/callbacks/secret/": "POST callback_secret",
    "webhooks/<uuid:uid>/": "GET see_webhooks",
    "webhooks/<uuid:uid>/change/": "GET change_webhooks, POST change_webhooks",
    "webhooks/<uuid:uid>/delete/": "GET change_webhooks, POST change_webhooks",
    "webhooks/<uuid:uid>/rotate/": "POST change_webhooks",
    "webhooks/<uuid:uid>/switch/": "POST change_webhooks",
    "webhooks/<uuid:uid>/test/": "POST change_webhooks",
    "deliveries/<uuid:uid>/replay/": "POST replay",
    "failures/": "GET see_rows",
    "failures/handle/": "POST change_rows",
    "failures/reopen/": "POST change_rows",
    "failures/snooze/": "POST change_rows",
    "failures/merge/": "POST change_rows",
    "failures/split/": "POST change_rows",
    "channels/": "GET channels",
    "channels/new/": "GET channels, POST channels",
    "channels/<uuid:uid>/": "GET channels",
    "channels/<uuid:uid>/change/": "GET channels, POST channels",
    "channels/<uuid:uid>/delete/": "GET channels, POST channels",
    "channels/<uuid:uid>/test/": "POST channels",
    "alerts/": "GET see_rows",
    "alerts/rules/new/": "GET change_rows, POST change_rows",
    "alerts/rules/<uuid:uid>/": "GET change_rows, POST change_rows",
    "alerts/rules/<uuid:uid>/delete/": "POST change_rows",
    "alerts/rules/<uuid:uid>/mute/": "POST change_rows",
    "alerts/<uuid:uid>/snooze/": "POST change_rows",
    "alerts/<uuid:uid>/dismiss/": "POST change_rows",
    "schedules/": "GET see_schedules",
    "schedules/new/": "GET change_schedules",
    "schedules/new/<name:kind>/": "GET change_schedules, POST change_schedules",
    "schedules/<uuid:uid>/": "GET see_schedules",
    "schedules/<uuid:uid>/change/": "GET change_schedules, POST change_schedules",
    "schedules/<uuid:uid>/delete/": "GET change_schedules, POST change_schedules",
    "schedules/<uuid:uid>/pause/": "POST change_schedules",
    "schedules/<uuid:uid>/run/": "POST run_schedule",
    "feeds/": "GET see_rows",
    "feeds/new/": "GET change_rows, POST change_rows",
    "feeds/<uuid:uid>/": "GET see_rows",
    "feeds/<uuid:uid>/change/": "GET change_rows, POST change_rows",
    "feeds/<uuid:uid>/delete/": "GET change_rows, POST change_rows",
    "feeds/<uuid:uid>/fetch/": "POST submit",
    "feeds/<uuid:uid>/subscribe/": "POST see_rows",
    "feeds/<uuid:uid>/unsubscribe/": "POST see_rows",
    "collections/": "GET see_rows",
    "collections/new/": "GET change_rows, POST change_rows",
    "collections/<uuid:uid>/": "GET see_rows",
    "collections/<uuid:uid>/rename/": "GET change_rows, POST change_rows",
    "collections/<uuid:uid>/delete/": "GET change_rows, POST change_rows",
    "collections/<uuid:uid>/match/": "POST submit",
    "collections/<uuid:uid>/stop/": "POST cancel",
    IMAGE: "GET see_rows",
    "checks/": "GET see_rows",
    "checks/<uuid:uid>/": "GET see_rows",
    "checks/<uuid:uid>/now/": "POST submit",
    "checks/<uuid:uid>/forget/": "POST change_rows",
}
API = {  # below /api/v1/ and below /api/
    "": "GET kinds",
    "kinds/": "GET kinds",
    "kinds/<name:name>/": "GET kinds",
    "jobs/": "GET see, POST submit",
    "jobs/export/": "GET see",
    "jobs/<uuid:uid>/": "GET see",
    "jobs/<uuid:uid>/log/": "GET see",
    "jobs/<uuid:uid>/cancel/": "POST cancel",
    "jobs/<uuid:uid>/retry/": "POST retry",
    "jobs/<uuid:uid>/take-back/": "POST take_back",
    "jobs/<uuid:uid>/share/": "GET share, POST share",
    "jobs/<uuid:uid>/share/<uuid:link>/": "DELETE share",
    "bulk/": "POST bulk",
    "queues/": "GET board",
    "queues/<name:name>/pause/": "POST pause",
    "queues/<name:name>/resume/": "POST pause",
    "workers/": "GET board",
    "apps/": "GET board",
    "apps/<slug:app>/": "GET board",
    "apps/<slug:app>/orders/": "GET board, POST steer",
    "apps/<slug:app>/orders/<uuid:uid>/": "GET board",
    "stats/": "GET board",
    "failures/": "GET see_rows",
    "failures/handle/": "POST change_rows",
    "failures/reopen/": "POST change_rows",
    "failures/<name:group>/": "GET see_rows",
    "failures/<name:group>/snooze/": "POST change_rows",
    "failures/<name:group>/merge/": "POST change_rows",
    "failures/<name:group>/split/": "POST change_rows",
    "audit/": "GET audit",
    "tokens/": "GET see_tokens, POST change_tokens, DELETE change_tokens",
    "tokens/<uuid:uid>/": "DELETE change_tokens",
    "webhooks/": "GET see_webhooks, POST change_webhooks",
    "webhooks/<uuid:uid>/": "GET see_webhooks, PUT change_webhooks, PATCH change_webhooks, DELETE change_webhooks",
    "webhooks/<uuid:uid>/rotate/": "POST change_webhooks",
    "webhooks/<uuid:uid>/test/": "POST change_webhooks",
    "webhooks/<uuid:uid>/deliveries/": "GET see_webhooks",
    "deliveries/<uuid:uid>/": "GET see_webhooks",
    "deliveries/<uuid:uid>/replay/": "POST replay",
    "callback-secret/": "POST callback_secret",
    "feeds/": "GET see_rows, POST change_rows",
    "feeds/<uuid:uid>/": "GET see_rows, PUT change_rows, PATCH change_rows, DELETE change_rows",
    "collections/": "GET see_rows, POST change_rows",
    "collections/<uuid:uid>/": "GET see_rows, PUT change_rows, PATCH change_rows, DELETE change_rows",
    "schedules/": "GET see_schedules, POST change_schedules",
    "schedules/<uuid:uid>/": "GET see_schedules, PUT change_schedules, PATCH change_schedules, DELETE change_schedules",
    "schedules/<uuid:uid>/run/": "POST run_schedule",
    "schedules/<uuid:uid>/runs/": "GET see_schedules",
    "channels/": "GET channels, POST channels",
    "channels/<uuid:uid>/": "GET channels, PUT channels, PATCH channels, DELETE channels",
    "channels/<uuid:uid>/test/": "POST channels",
    "channels/<uuid:uid>/notifications/": "GET channels",
    "alerts/": "GET see_rows",
    "alerts/<uuid:uid>/dismiss/": "POST change_rows",
    "alerts/<uuid:uid>/snooze/": "POST change_rows",
    "alerts/rules/": "GET see_rows, POST change_rows",
    "alerts/rules/<uuid:uid>/": "GET see_rows, PUT change_rows, PATCH change_rows, DELETE change_rows",
}
API_ONCE = {"schema/": "GET kinds", "docs/": "GET kinds", "^(?P<rest>.*)$": PUBLIC}


def actions(said: str) -> dict[str, str]:
    """``"GET see, POST submit"`` as a dict."""
    return dict(each.split() for each in said.split(", ")) if " " in said else {}


def known() -> dict[str, str]:
    """Every route but those of Django's admin, as the resolver writes them, and what is said of it."""
    below = {f"api/{prefix}{route}": said for prefix in ("", "v1/") for route, said in API.items()}
    return PAGES | below | {f"api/{route}": said for route, said in API_ONCE.items()}


def walk(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every leaf of the resolver."""
    for each in (resolver or get_resolver()).url_patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from walk(each, route)
        else:
            yield route, each
