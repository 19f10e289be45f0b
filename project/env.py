"""Strict readers of environment variables: a wrong value is one clear sentence, never a guess.

Each raises ImproperlyConfigured with that sentence. `known` gathers the names that were asked for, `secrets` those that
may come from a file: NAME_FILE names it. An empty variable counts as unset.
"""

import importlib.util
import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from project import servers
from project.servers import Wrong

# Read by `up` and `watch` only.
known: set[str] = {"SIGNALBOX_ADMIN_USER", "SIGNALBOX_ADMIN_PASSWORD", "SIGNALBOX_TOKEN"}
secrets: set[str] = {"SIGNALBOX_ADMIN_PASSWORD", "SIGNALBOX_TOKEN"}
LONGEST = 65_536  # bytes of a file with a secret


def forget_first_admin() -> None:
    """Take the passwords that only a command reads out of the environment: what is started from here needs none."""
    for name in ("SIGNALBOX_ADMIN_USER", "SIGNALBOX_ADMIN_PASSWORD", "SIGNALBOX_TOKEN"):
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)


def refuse(name: str, value: str | None, wanted: str) -> ImproperlyConfigured:
    found = "is not what it must be:" if value is None else f"is {value!r}, but it must be"
    return ImproperlyConfigured(f"{name} {found} {wanted}.")


def read(name: str, default: Any, parse: Callable[[str], Any], wanted: str, secret: bool = False) -> Any:
    """The parsed value of ``name``, or ``default`` when it is unset; a refusal does not repeat a ``secret`` value."""
    value = secret_text(name) if secret else line(name)
    if not value:
        return default
    try:
        return parse(value)
    except Wrong as wrong:
        raise ImproperlyConfigured(f"{name} {wrong}.") from None
    except (ValueError, KeyError):
        raise refuse(name, None if secret else value, wanted) from None


def line(name: str) -> str:
    """A variable as it stands. Shells, systemd and Docker read one file of variables differently: what would mean
    something else to another of them is refused."""
    known.add(name)
    value = os.environ.get(name, "").strip()
    if re.search(r"\s#", value):
        raise ImproperlyConfigured(
            f"{name} has a comment at the end of its line, which is part of the value for systemd and Docker; "
            "give the comment a line of its own."
        )
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        raise ImproperlyConfigured(f"{name} is in quotes, which are part of the value for Docker; leave them out.")
    return value


def secret_text(name: str, as_it_is: bool = False) -> str:
    """A variable, or the text of the file that NAME_FILE names, without white space around it."""
    secrets.add(name)
    value = os.environ.get(name, "") if as_it_is else line(name)
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return value
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; set one of them.")
    try:
        with open(path, encoding="utf-8") as file:
            found = file.read(LONGEST + 1).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {reason}.") from None
    if not 0 < len(found) <= LONGEST:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which is {'too long' if found else 'empty'}.")
    return found


def key(name: str) -> str:
    """A secret of one word; in a variable also without #, which some readers of a file take for a comment."""

    unfit = re.compile(r"\s" if os.environ.get(f"{name}_FILE", "").strip() else r"[\s#]")
    wanted = "one word without #, as python3 -c 'import secrets; print(secrets.token_urlsafe(50))' prints it"
    return read(name, "", only(lambda value: not unfit.search(value)), wanted, secret=True)


def keys(name: str) -> list[str]:
    """Several such secrets, with commas or line breaks between them."""
    return read(name, [], lambda value: re.split(r"[,\s]+", value.strip(", ")), "a list", secret=True)


def only(fits: Callable[[str], Any]) -> Callable[[str], str]:
    """A parser that takes a text as it is, if it fits."""

    def parse(value: str) -> str:
        if not fits(value):
            raise ValueError
        return value

    return parse


def matching(name: str, default: str, pattern: str, wanted: str) -> str:
    return read(name, default, only(re.compile(pattern).fullmatch), wanted)


def choice(name: str, default: str, choices: dict[str, str]) -> str:
    """One of the words of ``choices`` (in any case) as what it stands for."""
    return read(name, choices[default], lambda value: choices[value.lower()], f"one of {', '.join(choices)}")


def flag(name: str, default: bool) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return read(name, default, lambda value: words[value.lower()], "true or false")


def number(name: str, default: float, least: float, most: float, whole: bool = False) -> float:
    def parse(value: str) -> float:
        found = int(value) if whole else float(value)
        if not least <= found <= most:
            raise ValueError
        return found

    return read(name, default, parse, f"a {'whole ' if whole else ''}number from {least:g} to {most:g}")


def words(name: str, default: list[str]) -> list[str]:
    return read(name, default, lambda value: [word.strip() for word in value.split(",") if word.strip()], "a list")


def folder(name: str, default: Path, make: bool = True) -> Path:
    """A folder, made when it does not exist yet. A relative one would be another one for each working directory."""

    def parse(value: str) -> Path:
        if not Path(value).expanduser().is_absolute():
            raise ValueError
        return Path(value).expanduser()

    found = read(name, default, parse, "the path of a folder that begins with / or ~")
    try:
        if make:
            found.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} cannot be written: {error}.") from None
    return found


def each(name: str, parse: Callable[[str], Any], wanted: str) -> list[Any]:
    """A comma-separated list; the refusal names the word that is wrong."""
    found = []
    for word in words(name, []):
        try:
            found.append(parse(word))
        except ValueError:
            raise refuse(name, word, wanted) from None
    return found


def folders(name: str) -> list[Path]:
    found = each(name, only(os.path.isabs), "a comma-separated list of folders that begin with /")
    return [Path(word) for word in found]


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return each(name, ipaddress.ip_network, "a comma-separated list of networks such as 10.0.0.0/8")


def hosts(name: str, default: list[str]) -> list[str]:
    fits = re.compile(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]").fullmatch
    return each(name, only(fits), "a comma-separated list of host names without scheme and port") or default


def origins(name: str) -> list[str]:
    def parse(word: str) -> str:
        parts = urlsplit(word)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
        if word != f"{parts.scheme}://{parts.netloc}":
            raise ValueError
        return word

    return each(name, parse, "a comma-separated list of origins without a path, such as https://jobs.example.org")


def url(name: str) -> str:
    """The address at which people reach us, with the prefix if there is one, without a slash at its end."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.username is not None:
            raise ValueError
        if parts.query or parts.fragment or not value.isprintable() or " " in value:
            raise ValueError
        return value.rstrip("/")

    return read(name, "", parse, "an address such as https://jobs.example.org or https://example.org/signalbox")


def roles(name: str) -> dict[str, str]:
    """Group of a provider → role: ``ops=operator,leads=admin,*=viewer``."""

    def parse(word: str) -> tuple[str, str]:
        group, equals, role = word.rpartition("=")
        if not equals or not group.strip() or role.strip() not in ("viewer", "operator", "admin"):
            raise ValueError
        return group.strip(), role.strip()

    return dict(each(name, parse, "a list such as ops=operator,leads=admin,*=viewer of groups and their roles"))


def header(name: str) -> str:
    return matching(name, "", r"[A-Za-z][A-Za-z0-9-]{0,63}", "the name of an HTTP header, such as X-Remote-User")


def mail(name: str) -> str:
    """An Apprise address of a mail server, without a recipient."""

    fits = only(lambda value: value.startswith(("mailto://", "mailtos://")) and len(value) <= 1_500)
    wanted = "an address such as mailto://user:password@example.org?smtp=mail.example.org"
    return read(name, "", fits, wanted, secret=True)


def apps(name: str) -> list[str]:
    """Django apps, as modules or as the dotted paths of their configurations; each must exist."""

    def parse(word: str) -> str:
        for module in (word, word.rpartition(".")[0]):
            try:
                if importlib.util.find_spec(module) is not None:
                    return word
            except (ImportError, ValueError):
                continue
        raise ValueError

    return each(name, parse, "a comma-separated list of Django apps that can be imported, from here or from PYTHONPATH")


def modules(name: str) -> list[str]:
    """Modules by their dotted names. They are imported later, when Django's models are there."""
    fits = only(lambda word: all(part.isidentifier() for part in word.split(".")))
    return each(name, fits, "a comma-separated list of modules such as shop.orders.bgtasks")


def patterns(name: str) -> list[str]:
    """Patterns of dotted names, as fnmatch reads them."""
    fits = only(re.compile(r"[\w.*?\[\]!:-]{1,200}").fullmatch)
    return each(name, fits, "a comma-separated list of names of Celery tasks, which may hold *, such as orders.*")


def expression(name: str, default: str) -> str:
    """A regular expression."""

    def parse(value: str) -> str:
        try:
            re.compile(value)
        except re.error:
            raise ValueError from None
        return value

    return read(name, default, parse, "a regular expression such as password|token")


def redis(name: str, default: str) -> str:
    """The address of a Redis, in the form that each of its clients understands."""
    return read(name, default, servers.redis, begins(*servers.REDIS), secret=True)


def broker(name: str, default: str) -> str:
    """The address of a Redis or of an AMQP server, as Celery understands it."""
    return read(name, default, servers.broker, begins(*servers.REDIS, *servers.AMQP), secret=True)


def begins(*schemes: str) -> str:
    return f"an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"


def database(name: str, default: dict[str, Any]) -> dict[str, Any]:
    """Django's settings of a database; one in memory is refused, since other processes would not see it."""
    wanted = "an address such as postgres://user:password@host/name or sqlite:////folder/file"
    return read(name, default, servers.database, wanted, secret=True)


def prefix(name: str) -> str:
    """The path under which everything lies, without a slash at its end; empty for none."""

    def parse(value: str) -> str:
        found = value.rstrip("/")
        if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", found):
            raise ValueError
        return found

    return read(name, "", parse, "a path such as /signalbox")
