"""Letters that regular expressions and loops hate, every place of the product that takes letters, and a neighbour."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import requests

from tests.support.processes import ROOT

SIZE = 60_000
PIECES = (  # repeated: what makes a pattern begin again at each letter
    "a", " ", ":0", '"', "<a ", "1", "./", "-", "\n", "a@", "[", "%", ",", "é", "x=", "*/", "1-", "\\",
)  # fmt: skip
LETTERS = (
    *((piece * SIZE)[:SIZE] for piece in PIECES),
    "2026-11-23T10" + ":00" * (SIZE // 3) + " 01:0x",
    ("http://" + "a." * SIZE)[:SIZE],
    ('"' + "a " * SIZE)[:SIZE],
    " " * (SIZE - 1) + "!",
)
PATIENCE_S = 0.2  # what is hostile takes seconds; on a busy machine an ordinary page takes a tenth of one


class Neighbour(threading.Thread):
    """Another client, who asks again and again for what costs nothing."""

    def __init__(self, origin: str) -> None:
        super().__init__(daemon=True)
        self._origin, self._over, self._waits, self._began = origin, threading.Event(), [0.0], 0.0

    def run(self) -> None:
        with requests.Session() as session:
            while not self._over.is_set():
                self._began = began = time.monotonic()
                assert session.get(self._origin + "/healthz", timeout=60).status_code == 200
                self._waits.append(time.monotonic() - began)
                self._began = 0.0
                time.sleep(PATIENCE_S / 8)  # oftener, and asking would be most of the machine's work

    def worst(self) -> float:
        """Its longest wait, in seconds, since this was asked last. The answer that is awaited now counts as well."""
        waits, self._waits = self._waits, [0.0]
        began = self._began
        return max(*waits, time.monotonic() - began if began else 0.0)

    def stop(self) -> None:
        self._over.set()
        self.join(60)


@contextmanager
def neighbour(origin: str) -> Iterator[Neighbour]:
    one = Neighbour(origin)
    one.start()
    try:
        yield one
    finally:
        one.stop()


@dataclass
class Form:
    """A form as a browser finds it: where it goes, and what stands in its fields."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Forms(HTMLParser):
    """All forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open = False
        self._area = self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.found.append(Form(given.get("method", "get").upper(), given.get("action", "")))
            self._open = True
        elif self._open and name and tag in ("input", "button"):
            if given.get("type") not in ("checkbox", "radio", "file") or "checked" in given:
                self.found[-1].fields[name] = given.get("value", "")
        elif self._open and name and tag in ("select", "textarea"):
            self.found[-1].fields.setdefault(name, "")
            self._area, self._select = (name, "") if tag == "textarea" else ("", name)
        elif self._open and tag == "option" and self._select and "selected" in given:
            self.found[-1].fields[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._open and self._area:
            self.found[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""


def read_names() -> set[str]:
    """The parameters of the query that the code of the pages reads, found in the code."""
    text = "\n".join(path.read_text() for folder in ("tasks", "project") for path in Path(ROOT, folder).rglob("*.py"))
    return set(re.findall(r"""\bGET(?:\.get|\.getlist)?[\[(]\s*["'](\w+)["']""", text))


def bodies(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Each operation of the API that takes a body: method, path, the schema of each property, all schemas."""
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                schema = resolved(content["schema"], schemas)
                yield method.upper(), path, schema.get("properties", {}), schemas


def resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without references."""
    for name in ("allOf", "oneOf", "anyOf"):
        if name in schema:
            return resolved(schema[name][0], schemas)
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    return schema


def stand_in(schema: Mapping[str, Any], schemas: Mapping[str, Any], letters: str | None = None) -> Any:
    """A value of that schema, made of these letters where it may hold any; something short without them."""
    schema = resolved(schema, schemas)
    if letters is None and "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "array":
        return [stand_in(schema.get("items", {}), schemas, letters)]
    if kind == "object":
        return {"since": letters or "1h"}
    if letters is not None:
        return letters
    sample = {"uri": "https://example.org/", "uuid": "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"}
    return {"integer": 1, "number": 1, "boolean": False}.get(kind, sample.get(schema.get("format", ""), "x"))
