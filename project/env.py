"""Strict readers of environment variables: a wrong value is one clear sentence, never a guess.

Each raises ImproperlyConfigured with that sentence. `known` gathers the names that were asked for; an empty variable
counts as unset.
"""

import importlib.util
import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

known: set[str] = {"SIGNALBOX_ADMIN_USER", "SIGNALBOX_ADMIN_PASSWORD"}  # read by `up` only


def refuse(name: str, value: str | None, wanted: str) -> ImproperlyConfigured:
    found = "is not what it must be:" if value is None else f"is {value!r}, but it must be"
    return ImproperlyConfigured(f"{name} {found} {wanted}.")


def read(name: str, default: Any, parse: Callable[[str], Any], wanted: str, secret: bool = False) -> Any:
    """The parsed value of ``name``, or ``default`` when it is unset; a refusal does not repeat a ``secret`` value."""
    known.add(name)
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        return parse(value)
    except (ValueError, KeyError):
        raise refuse(name, None if secret else value, wanted) from None


def text(name: str, default: str = "") -> str:
    return read(name, default, str, "text")


def matching(name: str, default: str, pattern: str, wanted: str) -> str:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return read(name, default, parse, wanted)


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


def folder(name: str, default: Path) -> Path:
    """A folder, made when it does not exist yet."""
    found = read(name, default, lambda value: Path(value).expanduser().absolute(), "the path of a folder")
    try:
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
    def parse(word: str) -> Path:
        if not Path(word).is_absolute():
            raise ValueError
        return Path(word)

    return each(name, parse, "a comma-separated list of folders that begin with /")


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return each(name, ipaddress.ip_network, "a comma-separated list of networks such as 10.0.0.0/8")


def hosts(name: str, default: list[str]) -> list[str]:
    def parse(word: str) -> str:
        if not re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]", word):
            raise ValueError
        return word

    return each(name, parse, "a comma-separated list of host names without scheme and port") or default


def origins(name: str) -> list[str]:
    def parse(word: str) -> str:
        parts = urlsplit(word)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
        if word != f"{parts.scheme}://{parts.netloc}":
            raise ValueError
        return word

    return each(name, parse, "a comma-separated list of origins without a path, such as https://jobs.example.org")


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


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """An address with one of the schemes. It may hold a password, so it is not repeated in the refusal."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.hostname or parts.path.strip("/")) or parts.port == 0:
            raise ValueError
        return value

    return read(
        name, default, parse, f"an address that begins with {' or '.join(f'{s}://' for s in schemes)}", secret=True
    )


def database(name: str, default: dict[str, Any]) -> dict[str, Any]:
    """Django's settings of a database; one in memory is refused, since other processes would not see it."""

    def parse(value: str) -> dict[str, Any]:
        found = dj_database_url.parse(value)
        engine = str(found["ENGINE"]).rpartition(".")[2]
        if found["NAME"] in ("", ":memory:") or engine not in ("sqlite3", "postgresql"):
            raise ValueError
        return found

    wanted = "an address such as postgres://user:password@host/name or sqlite:////folder/file"
    return read(name, default, parse, wanted, secret=True)
