"""Topics of news beside the board, such as ``kind:noop`` or ``schedules``, each with the place of its last change.

Pure, like the board: a reader is a place and gets all later changes merged. News only say that something has changed.
Open alerts alone come with their texts, since every page shows them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from live import frames

ALERTS = "alerts"
KIND = "kind:"  # a job of that kind moved
FAILURES = "failures"  # a job failed, or a failed one is tried again
NOWHERE = -1  # the place of a reader to whom all is news


class TopicMarks:
    def __init__(self) -> None:
        self.now = 0
        self.watched: Counter[str] = Counter()  # topic → how many readers ask for it
        self._at: dict[str, int] = {}
        self._marks: dict[str, Any] = {}
        self._alerts = "[]"  # ready text

    def moved(self, jobs: Iterable[Mapping[str, Any]]) -> bool:
        """Note that jobs moved. Returns whether a reader watches a topic that this changes."""
        topics = set()
        for job in jobs:
            topics.add(KIND + job["kind"])
            if job.get("app"):
                continue  # groups of failures are made of our own jobs
            if job.get("state") == "failed" or (job.get("state") == "queued" and job["attempt"]):
                topics.add(FAILURES)
        topics &= self.watched.keys()
        self._touch(topics)
        return bool(topics)

    def agree(self, marks: Mapping[str, Any], alerts: list[dict[str, Any]]) -> bool:
        """Take the marks of topics and the open alerts that were read. Returns whether any changed."""
        other = {topic for topic, mark in marks.items() if self._marks.get(topic) != mark}
        self._marks = dict(marks)  # what nobody watches is not read, and an old mark would mislead
        self._alerts = frames.dumps(alerts)
        self._touch(other)
        return bool(other)

    def is_behind(self, place: int, topics: Iterable[str]) -> bool:
        return place < self.now and any(self._is_news(topic, place) for topic in topics)

    def since(self, place: int, topics: Iterable[str]) -> tuple[str, ...]:
        """The members of a frame for a reader of these topics at this place."""
        changed = [topic for topic in sorted(topics) if self._is_news(topic, place)]
        alerts = (f'"alerts":{self._alerts}',) if ALERTS in changed else ()
        return (f'"topics":{frames.dumps(changed)}', *alerts)

    def _is_news(self, topic: str, place: int) -> bool:
        if not topic.startswith(KIND) and topic not in self._marks:
            return False  # the next reading tells of it
        return self._at.get(topic, 0) > place

    def _touch(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self.now += 1
            self._at[topic] = self.now
