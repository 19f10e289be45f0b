"""A client for programs: submit jobs over HTTP, follow them over the WebSocket. Needs ``websockets``, and no Django.

``Client`` sends requests; ``watch`` and ``watch_job`` yield the newest picture for ever, through every reconnect. It
keeps to docs/protocol.md: higher versions win, frames are acknowledged, silence means a new connection.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

SUBPROTOCOL = "signalbox.v1"
FINAL = frozenset({"succeeded", "failed", "cancelled", "unknown"})
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 20.0
BEATS = 2.5  # of silence, and the connection counts as dead
REFUSED = {4400: "bad-frame", 4401: "not-authenticated", 4403: "forbidden"}
AGAIN = (429, 503)  # worth another try, when the server says
TRIES = 5


class Progress(TypedDict):
    done: int
    total: int
    note: str


class Job(TypedDict):
    """A job's summary, as lists and frames have it. Times are RFC 3339 in UTC."""

    id: str
    version: int
    kind: str
    title: str
    app: str | None
    queue: str
    state: str
    attempt: int
    max_attempts: int
    priority: int
    owner: str | None
    progress: Progress
    cancel_requested: bool
    error: str | None
    worker: str | None
    release: str | None
    schedule: str | None
    parent: str | None
    log_seq: int
    created_at: str
    due_at: str | None
    started_at: str | None
    finished_at: str | None
    doubt_at: str | None


class Detail(Job):
    """A job whole. A value of more than 64 KiB comes as a note by the socket, and whole by ``Client.job``."""

    params: dict[str, Any]
    result: Any
    attempts: list[dict[str, Any]]
    log: list[dict[str, Any]]


class Problem(Exception):
    """The server refused the request. ``code`` is one of /problems/, ``errors`` names the fields that are wrong."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("type", "")).rpartition("/")[2] or "unknown"
        self.errors: dict[str, list[str]] = body.get("errors") or {}
        self.body = body
        named = "; ".join(f"{name}: {' '.join(said)}" for name, said in self.errors.items())
        super().__init__(named or str(body.get("detail") or body.get("title") or f"HTTP {status}"))


class Unreachable(OSError):
    """No answer came, also after all retries."""


@dataclass
class Board:
    """What the server shows of all jobs now. ``age``: seconds since that agreed with the database for sure."""

    jobs: dict[str, Job] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    workers: list[dict[str, Any]] = field(default_factory=list)
    queues: list[dict[str, Any]] = field(default_factory=list)
    _agreed: float = float("-inf")

    @property
    def age(self) -> float:
        return time.monotonic() - self._agreed

    def take(self, frame: Mapping[str, Any]) -> None:
        """Apply a snapshot or a patch. Older versions than the known ones change nothing."""
        if frame["type"] == "snapshot":
            self.jobs = {}
        for gone in frame.get("gone", ()):
            self.jobs.pop(gone, None)
        for job in frame.get("jobs", ()):
            if job["version"] >= self.jobs.get(job["id"], job)["version"]:
                self.jobs[job["id"]] = job
        for name in ("stats", "workers", "queues"):
            if name in frame:
                setattr(self, name, frame[name])
        self._agreed = time.monotonic() - frame["age"]


class _NoRedirects(HTTPRedirectHandler):
    """A token goes to the server it is for, and to no other."""

    def redirect_request(self, *args: Any) -> None:
        return None


class Client:
    """``Client("https://signalbox.example", token)``. Threads may share it; a try takes ``timeout`` s at most."""

    def __init__(self, url: str, token: str, timeout: float = 10.0) -> None:
        self.url, self._token, self.timeout = url.rstrip("/"), token, timeout
        self._open = build_opener(_NoRedirects).open

    # --- HTTP ---

    def submit(self, kind: str, params: Mapping[str, Any] | None = None, *, key: str | None = None, **more: Any) -> Job:
        """Submit a job. ``more``: priority, due_at (RFC 3339), callback_url, copy_of. It has a key: safe to repeat."""
        body = {"kind": kind, "params": dict(params or {}), **more}
        return self.send("POST", "jobs/", body, key=key or uuid.uuid4().hex)

    def job(self, id: str) -> Detail:
        return self.send("GET", f"jobs/{id}/")

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """All jobs that match, newest first, page after page: ``client.jobs(state=["failed"], since="2h")``."""
        path: str | None = f"jobs/?{urlencode(filters, doseq=True)}"
        while path:
            page = self.send("GET", path)
            yield from page["results"]
            path = page["next"]

    def cancel(self, id: str, reason: str = "") -> Job:
        return self.send("POST", f"jobs/{id}/cancel/", {"reason": reason})

    def retry(self, id: str) -> Job:
        return self.send("POST", f"jobs/{id}/retry/", {})

    def take_back(self, id: str) -> Job:
        """Undo the cancel of a job that waited."""
        return self.send("POST", f"jobs/{id}/take-back/")

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """One request to a path below ``/api/v1/``, or to the ``next`` of a page; answers what the JSON says.

        Raises Problem or Unreachable. Retries, with growing pauses, only requests that are safe to repeat.
        """
        address = path if path.startswith("http") else f"{self.url}/api/v1/{path}"
        if urlsplit(address)[:2] != urlsplit(self.url)[:2]:
            raise ValueError(f"{address} is not an address of {self.url}")
        headers = {"Authorization": f"Token {self._token}", "Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        data = None if body is None else json.dumps(body).encode()
        repeatable = method == "GET" or key is not None
        for number in range(1, TRIES + 1):
            try:
                with self._open(Request(address, data, headers, method=method), timeout=self.timeout) as answer:  # noqa: S310
                    return json.loads(answer.read() or b"null")
            except HTTPError as error:
                problem = Problem(error.code, _json(error.read()))
                if error.code not in AGAIN or not repeatable or number == TRIES:
                    raise problem from None
                pause = float(error.headers.get("Retry-After") or 1)
            except (URLError, TimeoutError, ConnectionError) as error:
                if not repeatable or number == TRIES:
                    raise Unreachable(f"{self.url} does not answer: {error}") from None
                pause = _pause(number)
            time.sleep(min(pause, LAST_PAUSE_S))
        raise AssertionError("unreachable")

    # --- the socket ---

    async def watch(self, apps: bool = False) -> AsyncIterator[Board]:
        """The board, at once and after every change, for ever. The same object each time, changed in place.

        ``apps``: with the tasks of watched applications, and ``stats["apps"]``.
        """
        board, asked = Board(), {"type": "watch", "board": True} | ({"apps": True} if apps else {})
        async with aclosing(self._frames(asked)) as frames:
            async for frame in frames:
                board.take(frame)
                yield board

    async def watch_job(self, id: str) -> AsyncIterator[Detail]:
        """One job, at once and after every change, until it has ended. Raises Problem for one that we may not see."""
        known: Any = {"version": -1, "attempts": [], "log": []}

        def ask() -> dict[str, Any]:
            return {"type": "watch", "job": id, "after": known["log"][-1]["seq"] if known["log"] else 0}

        async with aclosing(self._frames(ask)) as frames:
            async for frame in frames:
                news = frame.get("job")
                if news is None or news["id"] != id or news["version"] < known["version"]:
                    continue
                attempts = {each["number"]: each for each in (*known["attempts"], *news.get("attempts", ()))}
                lines = {each["seq"]: each for each in (*known["log"], *news.get("log", ()))}
                known |= news
                known["attempts"], known["log"] = list(attempts.values()), [lines[seq] for seq in sorted(lines)]
                yield known
                if known["state"] in FINAL and (not lines or max(lines) >= known["log_seq"]):
                    return

    def wait(self, id: str, show: Callable[[Detail], Any] = lambda _: None, timeout: float | None = None) -> Detail:
        """Wait until a job has ended and return it whole; ``show`` sees every change. Raises TimeoutError, Problem."""

        async def follow() -> None:
            async with asyncio.timeout(timeout):
                async with aclosing(self.watch_job(id)) as news:
                    async for job in news:
                        show(job)

        asyncio.run(follow())
        return self.job(id)

    async def _frames(self, ask: Any) -> AsyncIterator[dict[str, Any]]:
        """Snapshots, patches and jobs, acknowledged, through every reconnect. Raises Problem when it is refused."""
        address = f"ws{self.url.removeprefix('http')}/ws/live/"
        headers = {"Authorization": f"Token {self._token}"}
        failures = 0
        while True:
            try:
                async with connect(
                    address, additional_headers=headers, subprotocols=[SUBPROTOCOL], max_size=1024 * 1024, proxy=None
                ) as socket:
                    await socket.send(json.dumps(ask() if callable(ask) else ask))
                    every = 5.0
                    while True:
                        async with asyncio.timeout(BEATS * every):  # wait_for() of Python 3.11 may swallow a cancel
                            frame = json.loads(await socket.recv())
                        failures = 0
                        every = frame.get("every", every)
                        if frame["type"] == "error":
                            raise Problem(0, {"type": f"/problems/{frame['code']}", "detail": frame["detail"]})
                        if frame["type"] in ("snapshot", "patch", "job"):
                            yield frame
                            await socket.send(json.dumps({"type": "ack", "n": frame["n"]}))
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 0
                if code in REFUSED:
                    why = closed.rcvd.reason if closed.rcvd else ""
                    raise Problem(0, {"type": f"/problems/{REFUSED[code]}", "detail": why}) from None
            except InvalidStatus as refused:
                if refused.response.status_code == 403:
                    raise Problem(
                        403, {"type": "/problems/forbidden", "detail": "The server refused the socket."}
                    ) from None
            except (OSError, TimeoutError, InvalidHandshake):
                pass
            failures += 1
            await asyncio.sleep(_pause(failures))


def _pause(failures: int) -> float:
    """Full jitter, so that clients do not all reconnect at once to a server that comes back."""
    return random.uniform(0, min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 10)))  # noqa: S311 - no secret


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
