"""The addresses of database, Redis and broker, read once and strictly: an address means the same to each library that
gets it, or it is refused before the first one does.

``Wrong`` says what is wrong as the rest of a sentence; no sentence repeats a value, which may hold a password.
"""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import dj_database_url

REDIS = ("redis", "rediss")
AMQP = ("amqp", "amqps", "pyamqp")
CERTIFICATES = {"none", "optional", "required"}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
OPTIONS = ("db", "ssl_cert_reqs", "ssl_check_hostname", *FILES)
OURS = ("socket_timeout", "socket_connect_timeout", "timeout", "socket_keepalive", "retry_on_timeout")


class Wrong(ValueError):
    """What is wrong with an address, to be said after the name of the setting."""


def split(value: str, *schemes: str) -> SplitResult:
    """ValueError unless it has one of the schemes, a host, and nothing that libraries read differently."""
    found = urlsplit(value)
    if (
        found.scheme not in schemes
        or not found.hostname
        or found.port == 0
        or found.fragment
        or set(value) & set(" \t")
    ):
        raise ValueError
    return found


def redis(value: str) -> str:
    """``redis://user:password@host:port/number?options``: the one form that redis-py, channels_redis and kombu share.

    They agree on the number in the path only, and on the options for TLS; what else one of them would take would end
    another one with a traceback, so it is refused.
    """
    found = split(value, *REDIS)
    given, number = _options(found.query), found.path.strip("/")
    if given.get("db", number or "0") != (number or "0") and number:
        raise Wrong("names two databases, one in its path and one in its option db")
    number = given.pop("db", number) or "0"
    if not number.isascii() or not number.isdigit():
        raise Wrong("must name its database by a number, as in redis://host:6379/0")
    options = "&".join(f"{name}={quote(text, safe='/')}" for name, text in _tls(found.scheme, given).items())
    host = f"[{found.hostname}]" if ":" in found.hostname else found.hostname
    who, at, _ = found.netloc.rpartition("@")
    return f"{found.scheme}://{who}{at}{host}:{found.port or 6379}/{int(number)}{'?' * bool(options)}{options}"


def _options(query: str) -> dict[str, str]:
    """The options of an address, each of them known and given once. ``protocol=2`` is what is spoken anyway."""
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    if len(dict(pairs)) < len(pairs):
        raise Wrong("has an option twice")
    for name, text in pairs:
        if name in OURS:
            raise Wrong(f"has the option {name}, but Signalbox sets its timeouts itself; leave it out")
        if name == "protocol" and text != "2":
            raise Wrong("has the option protocol, but Signalbox speaks protocol 2; leave it out")
        if name not in (*OPTIONS, "protocol"):
            raise Wrong(f"has an option that Signalbox does not know; it knows {', '.join(OPTIONS)}")
    return {name: text for name, text in pairs if name != "protocol"}


def _tls(scheme: str, given: dict[str, str]) -> dict[str, str]:
    """The options for TLS in the words that all libraries know: none for CERT_NONE, true or false."""
    if given and scheme != "rediss":
        raise Wrong("has options for TLS, so it must begin with rediss://")
    if "ssl_cert_reqs" in given:
        given["ssl_cert_reqs"] = given["ssl_cert_reqs"].lower().removeprefix("cert_")
        if given["ssl_cert_reqs"] not in CERTIFICATES:
            raise Wrong("must have none, optional or required as its ssl_cert_reqs")
    if "ssl_check_hostname" in given:
        given["ssl_check_hostname"] = given["ssl_check_hostname"].lower()
        if given["ssl_check_hostname"] not in ("true", "false"):
            raise Wrong("must have true or false as its ssl_check_hostname")
    for name in FILES:
        if name in given and not (Path(given[name]).is_absolute() and Path(given[name]).is_file()):
            raise Wrong(f"must name a file that is there, from / on, as its {name}")
    return given


def broker(value: str) -> str:
    """A Redis, or an AMQP server; several of them with semicolons between, as kombu takes them."""
    if value.startswith("redis"):
        return redis(value)
    for each in value.split(";"):
        options = dict(parse_qsl(split(each, *AMQP).query, keep_blank_values=True))
        if options.keys() - {"heartbeat"} or not options.get("heartbeat", "0").isdecimal():
            raise Wrong("has an option that Signalbox does not know; for AMQP it knows heartbeat, in whole seconds")
    return value


def database(value: str) -> dict[str, Any]:
    """Django's settings of a database that several processes can share."""
    found = dj_database_url.parse(value)
    engine, name = str(found["ENGINE"]).rpartition(".")[2], str(found["NAME"])
    if name in ("", ":memory:") or engine not in ("sqlite3", "postgresql"):
        raise ValueError
    if engine == "sqlite3":
        if not Path(name).is_absolute():
            raise Wrong("names a file by a relative path, another one in each folder; write sqlite:////folder/file")
        if found.get("OPTIONS"):
            raise Wrong("has options, and none are known for SQLite; leave them out")
    elif found.get("OPTIONS"):
        # The driver is loaded only where it is wanted: on SQLite it would be a tenth of each process's start.
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo

        try:
            make_conninfo(**{str(option): text for option, text in found["OPTIONS"].items()})
        except ProgrammingError:
            raise Wrong("has an option that PostgreSQL's library does not know") from None
    return found
