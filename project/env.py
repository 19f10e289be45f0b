"""Strict readers of environment variables: a wrong value is one clear sentence, never a guess."""

import ipaddress
import os
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured

type_error = "{name} is {value!r}, but it must be {wanted}."


def read(name: str, default: Any, parse: Callable[[str], Any], wanted: str) -> Any:
    """The parsed value of ``name``, or ``default`` when it is unset or empty; ImproperlyConfigured when it cannot be parsed."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        return parse(value)
    except (ValueError, KeyError):
        raise ImproperlyConfigured(type_error.format(name=name, value=value, wanted=wanted)) from None


def text(name: str, default: str = "") -> str:
    return read(name, default, str, "text")


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


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [read_network(name, word) for word in words(name, [])]


def read_network(name: str, word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError:
        wanted = "a comma-separated list of networks such as 10.0.0.0/8"
        raise ImproperlyConfigured(type_error.format(name=name, value=word, wanted=wanted)) from None
