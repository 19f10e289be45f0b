"""What goes on while a deployment is restarted: a page that stays open, and jobs that keep coming."""

import asyncio
import json
import ssl
import threading
import time
from pathlib import Path

import requests
import websockets

from tests.support.live_parts import SUBPROTOCOL


class Jobs(threading.Thread):
    """Submits a job whenever the last one was accepted, each once and without a second try."""

    def __init__(self, base: str, host: str, pem: Path, token: str) -> None:
        super().__init__(daemon=True)
        self.base, self.pem = base, pem
        self.headers = {"Host": host, "Authorization": f"Token {token}"}
        self.accepted: list[str] = []
        self.wrong: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            job = (
                {"kind": "countdown", "params": {"seconds": 1, "steps": 2}}
                if len(self.accepted) % 5
                else {"kind": "noop"}
            )
            try:
                answer = requests.post(
                    f"{self.base}/api/v1/jobs/", json=job, headers=self.headers, verify=self.pem, timeout=30
                )
            except requests.RequestException as error:
                self.wrong.append(repr(error))
                continue
            if answer.status_code == 201:
                self.accepted.append(answer.json()["id"])
            else:
                self.wrong.append(f"{answer.status_code} {answer.text[:200]}")

    def stop(self) -> list[str]:
        self.over.set()
        self.join(60)
        return self.accepted


class Page(threading.Thread):
    """An open board as docs/protocol.md wants it: acknowledges, connects again when it is closed, knows its age."""

    def __init__(self, url: str, host: str, pem: Path, cookie: str) -> None:
        super().__init__(daemon=True)
        self.url, self.context = url, ssl.create_default_context(cafile=pem)
        self.headers = {"Host": host, "Cookie": cookie}
        self.origin = f"https://{host}"
        self.stats: dict = {}
        self.versions: dict[str, int] = {}
        self.wrong: list[str] = []
        self.connects, self.oldest, self._agreed = 0, 0.0, 0.0
        self.over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        while not self.over.is_set():
            try:
                await self._connected()
            except (OSError, websockets.ConnectionClosed, TimeoutError):
                await asyncio.sleep(0.3)
            except Exception as error:
                self.wrong.append(repr(error))
                await asyncio.sleep(0.5)

    async def _connected(self) -> None:
        headers = [(name, value) for name, value in self.headers.items() if name != "Host"]
        async with websockets.connect(
            self.url, ssl=self.context, origin=self.origin, subprotocols=[SUBPROTOCOL], max_size=2**20,
            additional_headers=headers, host="127.0.0.1", port=int(self.headers["Host"].rpartition(":")[2]),
        ) as socket:  # fmt: skip
            self.connects += 1
            await socket.send(json.dumps({"type": "watch", "board": True}))
            while not self.over.is_set():
                frame = json.loads(await asyncio.wait_for(socket.recv(), 12.5))
                self._take(frame)
                if "n" in frame:
                    await socket.send(json.dumps({"type": "ack", "n": frame["n"]}))

    def _take(self, frame: dict) -> None:
        if frame["type"] == "error":
            self.wrong.append(json.dumps(frame))
        now = time.monotonic()
        if self._agreed:
            self.oldest = max(self.oldest, now - self._agreed)
        if "age" in frame:
            self._agreed = now - frame["age"]
        self.stats = frame.get("stats", self.stats)
        for job in frame.get("jobs", ()):
            if job["version"] < self.versions.get(job["id"], 0):
                continue  # frames may repeat what a newer one overtook
            self.versions[job["id"]] = job["version"]

    def stop(self) -> None:
        self.over.set()
        self.join(20)
