"""The settings of watched applications, read strictly: names and addresses, options, patterns.

An address may hold a password: neither a refusal nor the value's own text repeats it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from project import env, servers
from project.servers import Wrong

NAME = r"[a-z0-9-]{1,32}"
WANTED = "name=address,name=address with names of at most 32 lower-case letters, digits and -"
MEANT = {"own": "our own jobs", "*": "all jobs"}  # what these words mean in app=, webhooks and rules of alerts
SCHEMES = (*servers.REDIS, "redis+socket", *servers.AMQP)
TEXTS = {"global_keyprefix", "control_exchange", "event_exchange", "result_prefix", "sep"}
NUMBERS = {"visibility_timeout"}
LISTS = {"priority_steps": int, "queues": str}
REDACT = ["pass", "secret", "token", "key", "auth", "cookie", "card", "iban", "credential", "signature"]


class Address:
    """Where a watched application's broker is. ``url`` as kombu takes it; shown without its password."""

    __slots__ = ("transport", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.transport = "redis" if url.startswith("redis") else "amqp"

    def __repr__(self) -> str:
        parts = urlsplit(self.url.partition(";")[0])
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)


def addresses(name: str, off: bool = False) -> dict[str, Any]:
    """App → Address. With ``off`` the word off may stand in place of an address, and means None."""

    def parse(value: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each in re.split(rf"\s*,\s*(?=(?:{NAME}|\*)=)", value):
            app, is_, text = each.partition("=")
            if is_ and app in MEANT:
                raise Wrong(f"cannot name an application {app}: that word means {MEANT[app]}; choose another name")
            if not (is_ and re.fullmatch(NAME, app)):
                raise Wrong(f"must be {WANTED}")
            if app in found:
                raise Wrong(f"names {app} twice")
            try:
                found[app] = None if off and text.lower() == "off" else Address(_address(text))
            except Wrong as wrong:
                raise Wrong(f"has an address of {app} that {wrong}") from None
            except ValueError:
                raise Wrong(f"has an address of {app} that is none: {env.begins(*SCHEMES)} is wanted") from None
        return found

    return env.read(name, {}, parse, WANTED, secret=True)


def _address(text: str) -> str:
    if not text.startswith("redis+socket://"):
        return servers.broker(text)
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    number = options.pop("virtual_host", "0")
    if options or not number.isdecimal():
        raise Wrong("has an option that Signalbox does not know; for a socket it knows virtual_host, a number")
    if not Path(parts.path).is_absolute():
        raise Wrong("must name a socket by its whole path, as in redis+socket:///run/redis.sock?virtual_host=0")
    who, at, _ = parts.netloc.rpartition("@")
    return f"redis+socket://{who}{at}{quote(parts.path, safe='/._-')}?virtual_host={int(number)}"


def options(name: str, apps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """App → what its own settings say and its broker does not: JSON such as {"shop": {"global_keyprefix": "shop:"}}."""
    known = ", ".join(sorted({*TEXTS, *NUMBERS, *LISTS}))

    def parse(value: str) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(value)
        except ValueError:
            raise Wrong("must be JSON") from None
        if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
            raise Wrong('must be JSON such as {"shop": {"global_keyprefix": "shop:"}}')
        for app, each in found.items():
            if app not in apps:
                raise Wrong(f"names {app!r}, which SIGNALBOX_OBSERVE does not")
            for option, given in each.items():
                if not _fits(option, given):
                    raise Wrong(f"has an option {option!r} of {app} that is unknown or of another type; {known} are")
        return found

    return env.read(name, {}, parse, "JSON")


def _fits(option: str, given: Any) -> bool:
    if option in TEXTS:
        return isinstance(given, str) and len(given) <= 200
    if option in NUMBERS:
        return isinstance(given, int) and not isinstance(given, bool) and 0 < given < 10**8
    if option in LISTS:
        return isinstance(given, list) and len(given) <= 1000 and all(type(each) is LISTS[option] for each in given)
    return False


def refuse_strangers(found: Mapping[str, Any], apps: Mapping[str, Any], name: str) -> None:
    for app in found:
        if app not in apps:
            raise ImproperlyConfigured(f"{name} names {app}, which SIGNALBOX_OBSERVE does not.")
