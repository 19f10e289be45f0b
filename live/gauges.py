"""Numbers that only some pages show, such as a chart's bars: read every few seconds for whoever asked, sent when they
differ. Pure: it is handed what was read. ``tasks.queries.gauges`` says which there are,
``live.state`` when they are read.
"""

from collections.abc import Container
from typing import Any

from live import frames
from live.mailbox import Mailbox


class Gauges:
    def __init__(self) -> None:
        self._shown: dict[str, tuple[int, str]] = {}  # name → how often it changed, and its value as text

    def take(self, read: dict[str, Any], asked: Container[str]) -> bool:
        """Take values that were read now. Returns whether any changed. Values that nobody asks for are forgotten."""
        before = {name: shown for name, shown in self._shown.items() if name in asked}
        self._shown = dict(before)
        for name, value in read.items():
            revision, known = before.get(name, (0, ""))
            text = frames.dumps(value)
            self._shown[name] = (revision + (text != known), text)
        return self._shown != before

    def waits(self, mailbox: Mailbox) -> bool:
        return any(self._shown.get(name, (0, ""))[0] > seen for name, seen in mailbox.gauges.items())

    def feed(self, mailbox: Mailbox) -> str | None:
        """Return the members of a mailbox's next gauge frame and count it as sent, or None if it has all values."""
        for name, seen in mailbox.gauges.items():
            revision, text = self._shown.get(name, (0, ""))
            if revision > seen:
                mailbox.gauges[name] = revision
                return f'"gauge":{frames.dumps(name)},"value":{text}'
        return None
