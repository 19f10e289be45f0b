"""What a frame costs for each browser, against bare `websockets` and against a plain Channels group.

    python bench/fanout.py --sockets 1000 --seconds 8 [--server uvicorn daphne] [--acks 1]

Every server is a process of its own and gets the same clients, the same texts at 20 frames a second, and the same
acknowledgements. Printed: CPU microseconds for each frame and socket, the ratio to bare `websockets`, memory for
each socket, and how long a commit takes to become a frame. Only ratios of one run mean anything.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent.parent))

from project import parts, valkey  # noqa: E402 - a bench is run as a file, from anywhere
from tests.support.processes import listens  # noqa: E402

FRAMES_A_SECOND = 20
CHANGES = 10  # jobs that change in each frame


# --- peers -----------------------------------------------------------------------------------------------------------


async def bare(port: int, redis_url: str, group: str) -> None:
    """`websockets` and nothing else: whatever is published to the group's channel goes to everybody."""
    import redis.asyncio
    from websockets.asyncio.server import broadcast, serve

    everybody = set()

    async def handler(socket: Any) -> None:
        everybody.add(socket)
        async for _ in socket:
            pass

    async with serve(handler, "127.0.0.1", port, compression=None, ping_interval=None):
        ear = redis.asyncio.Redis.from_url(redis_url).pubsub()
        await ear.subscribe(group)
        async for message in ear.listen():
            if message["type"] == "message":
                broadcast(everybody, message["data"].decode())


def application() -> Any:
    """A plain Channels consumer in a group: the way of the tutorial."""
    import django

    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer

    class Plain(AsyncWebsocketConsumer):
        groups = ["bench"]

        async def frame(self, message: dict[str, Any]) -> None:
            await self.send(text_data=message["text"])

    return Plain.as_asgi()


# --- the run ---------------------------------------------------------------------------------------------------------


class Run:
    """One server, its clients, and what they cost."""

    def __init__(self, name: str, command: list[str], port: int, token: str, args: argparse.Namespace) -> None:
        self.name, self.port, self.args = name, port, args
        self.server = subprocess.Popen(command, env=os.environ)
        self.process = psutil.Process(self.server.pid)
        deadline = time.monotonic() + 60
        while not listens(port):
            assert time.monotonic() < deadline and self.server.poll() is None, f"{name} does not start"
            time.sleep(0.1)
        time.sleep(1)
        words = [sys.executable, str(HERE.with_name("fanout_clients.py")), *map(str, (port, args.sockets, args.acks))]
        self.clients = subprocess.Popen([*words, token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.clients.stdout.readline() == "warm\n"
        before = self.process.memory_info().rss
        assert self.clients.stdout.readline() == "connected\n"
        self.memory = (self.process.memory_info().rss - before) / max(1, args.sockets - 20) / 1024

    def frames(self) -> int:
        self.clients.stdin.write("\n")
        self.clients.stdin.flush()
        return int(self.clients.stdout.readline())

    def cost(self, send: Any) -> float:
        """CPU microseconds for each frame and socket, without what the server does anyway."""
        idle = self.cpu(lambda: time.sleep(self.args.seconds))
        first = self.frames()

        def work() -> None:
            for tick in range(self.args.seconds * FRAMES_A_SECOND):
                began = time.monotonic()
                send(tick + 1)
                time.sleep(max(0.0, began + 1 / FRAMES_A_SECOND - time.monotonic()))
            time.sleep(0.5)

        busy = self.cpu(work)
        return (busy - idle) / max(1, self.frames() - first) * 1e6

    def cpu(self, work: Any) -> float:
        before = sum(self.process.cpu_times()[:2])
        work()
        return sum(self.process.cpu_times()[:2]) - before

    def end(self) -> None:
        self.clients.kill()
        self.server.kill()
        self.clients.wait()
        self.server.wait()


def latency(port: int, token: str, submit: Any, times: int = 40) -> float:
    """Median milliseconds from a commit to its frame, one at a time."""
    from websockets.sync.client import connect

    found = []
    headers = {"Authorization": f"Token {token}"}
    with connect(f"ws://127.0.0.1:{port}/ws/live/", additional_headers=headers, max_size=2**20) as socket:
        socket.send('{"type": "watch", "board": true}')
        for _ in range(times):
            time.sleep(0.15)
            job, committed = submit()
            while True:
                frame = json.loads(socket.recv())
                if "n" in frame:
                    socket.send(json.dumps({"type": "ack", "n": frame["n"]}))
                if any(row["id"] == job for row in frame.get("jobs", ())):
                    break
            found.append((time.perf_counter() - committed) * 1000)
    return statistics.median(found)


def main(args: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="signalbox-bench-"))
    command, redis_url = valkey.configure(folder, append=False)
    redis_server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    os.environ |= {
        "SIGNALBOX_HOME": str(folder), "REDIS_URL": redis_url, "DJANGO_SETTINGS_MODULE": "project.settings",
        "SIGNALBOX_RECONCILE_S": "600", "SIGNALBOX_BEAT_S": "600", "PYTHONPATH": str(HERE.parent.parent),
        "SIGNALBOX_SOCKETS_PER_USER": "100000", "SIGNALBOX_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    import django

    django.setup()
    import redis as redis_client
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from live import frames, push
    from tasks.access.models import Token
    from tasks.engine import lifecycle
    from tasks.engine.models import Job

    call_command("migrate", verbosity=0)
    _, token = Token.objects.make(get_user_model().objects.create_superuser("bench"), "read")
    jobs = [lifecycle.submit("noop", {})[0].summary() for _ in range(CHANGES)]

    def changed(version: int) -> list[dict[str, Any]]:
        return [job | {"state": "running", "version": version + 1, "started_at": job["created_at"]} for job in jobs]

    def text(version: int) -> str:
        rows = '"jobs":[' + ",".join(frames.row(job) for job in changed(version)) + "]"
        return frames.frame("patch", version, '"as_of":"2026-11-23T10:00:00.000000Z"', '"age":0.10', rows)

    def hint(version: int) -> None:
        for job in changed(version):
            push.job_changed(job)

    reported, tell = [], push.job_changed

    def job_changed(summary: dict[str, Any]) -> None:
        reported.append(time.perf_counter())  # right after the commit
        tell(summary)

    def submit() -> tuple[str, float]:
        return str(lifecycle.submit("noop", {})[0].uid), reported[-1]

    push.job_changed = job_changed
    wire = redis_client.Redis.from_url(redis_url)
    group = get_channel_layer().group_send

    def peers() -> list[tuple[str, list[str], Any]]:
        me, port = [sys.executable, str(HERE), "--role"], valkey.free_port()
        yield (
            "bare websockets",
            [*me, "bare", str(port), redis_url, "bench"],
            port,
            lambda v: wire.publish("bench", text(v)),
        )
        for server in args.server:
            port = valkey.free_port()
            where = ["--port", str(port)] if server == "uvicorn" else ["-p", str(port)]
            options = parts.UVICORN if server == "uvicorn" else parts.DAPHNE
            start = [sys.executable, "-m", server, *options, *where]
            yield f"Signalbox, {server}", [*start, "project.asgi:application"], port, hint
        if args.plain:
            port = valkey.free_port()
            start = [sys.executable, "-m", "uvicorn", *parts.UVICORN, "--port", str(port), "--factory"]
            plain = "plain group, uvicorn", [*start, "bench.fanout:application"], port
            yield *plain, lambda v: async_to_sync(group)("bench", {"type": "frame", "text": text(v)})

    base = None
    print(f"{args.sockets} sockets, {CHANGES} changes in a frame of {len(text(1))} bytes, one ack for {args.acks}")
    for name, command, port, send in peers():
        run = Run(name, command, port, token if "Signalbox" in name else "", args)
        try:
            Job.objects.update(version=1)
            cost = run.cost(send)
            base = base or cost
            line = f"{name:22} {cost:7.1f} µs   {cost / base:5.2f} × bare   {run.memory:6.1f} KiB a socket"
        finally:
            run.end()
        if "Signalbox" in name:
            args.sockets, sockets = 20, args.sockets
            run = Run(name, command, port, token, args)
            args.sockets = sockets
            try:
                ms = latency(port, token, submit)
                line += f"   commit → frame, idle: {ms:.1f} ms"
            finally:
                run.end()
        print(line, flush=True)
    redis_server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--role")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--sockets", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--acks", type=int, default=1, help="acknowledge every so many frames, at most 4; 0: never")
    parser.add_argument("--server", nargs="+", default=["uvicorn", "daphne"])
    parser.add_argument("--plain", action="store_true", help="measure a plain Channels group too")
    given = parser.parse_args()
    if given.role == "bare":
        asyncio.run(bare(int(given.words[0]), *given.words[1:]))
    else:
        main(given)
