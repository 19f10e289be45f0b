"""Secrets of a job that tells them by every way that code has: looked for wherever anybody could read, in every form.

On the running product. What is not covered stands in docs/security.md.
"""

import asyncio
import contextlib
import html
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import redis
import requests
import websockets

from live.client import Client
from tests.support.processes import Product, csrf, wait_until
from tests.support.receivers import receiver

# A short one has a sign that no random text has: session keys and sealed values stand in the same files.
SECRETS = ("Sesame-Hunter-2", "Sesa\"me<b>&'x\\é", "Sesame-first-line\nSesame-second-line\n}", "q~7")
ENDS = ("raise", "return", "object")


def forms(secret: str) -> set[str]:
    """As texts, JSON, repr, HTML and addresses show it; and its lines."""
    shown = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return shown | {html.escape(secret), quote(secret), *(line for line in secret.splitlines() if len(line) > 7)}


FORMS = [form for secret in SECRETS for form in forms(secret)]


@contextlib.contextmanager
def overheard(url: str) -> Iterator[list[str]]:
    """Every command that Redis gets, of messages, pushes and all else."""
    commands: list[str] = []
    with redis.from_url(url) as link, link.monitor() as monitor:

        def listen() -> None:
            with contextlib.suppress(redis.ConnectionError, ValueError, OSError, AttributeError):
                for command in monitor.listen():
                    commands.append(command["command"])
                    if command["command"].startswith("ECHO over"):
                        return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield commands
        link.echo("over")
        listener.join(10)


async def watched(product: Product, token: str, jobs: list[str]) -> list[str]:
    """The first frame of the board and of each job."""
    url, headers = product.base_url.replace("http", "ws") + "ws/live/", {"Authorization": f"Token {token}"}
    frames: list[str] = []
    async with websockets.connect(url, additional_headers=headers, max_size=2**20) as socket, asyncio.timeout(20):
        for what in ({"board": True}, *({"job": job} for job in jobs)):
            await socket.send(json.dumps({"type": "watch", **what}))
            while not frames or ("job" in what and what["job"] not in frames[-1]):
                frames.append(await socket.recv())
                if n := json.loads(frames[-1]).get("n"):
                    await socket.send(json.dumps({"type": "ack", "n": n}))
    return frames


@pytest.fixture(scope="module")
def reported(product: Product) -> dict[str, str]:
    """Where somebody could read → what stands there, after jobs have written their secrets."""
    base, page = product.base_url, product.browser()
    text = product.manage("token", product.user, "--scope", "manage").stdout.strip()
    client, headers = Client(base, text), {"Authorization": f"Token {text}"}
    found: dict[str, str] = {}

    def see(name: str, answer: requests.Response) -> None:
        assert answer.status_code < 500
        found[name] = f"{answer.headers}\n{answer.text}"

    def put(path: str, body: dict[str, Any]) -> requests.Response:
        return requests.post(f"{base}api/v1/{path}", json=body, headers=headers, timeout=20)

    valkey, jobs = (product.home / "valkey.url").read_text().strip(), []
    with receiver() as hook, overheard(valkey) as commands:
        webhook = client.send("POST", "webhooks/", {"url": hook.url, "kinds": ["tells_all"]})
        for secret in SECRETS:
            for how in ENDS:
                answer = put("jobs/", {"kind": "tells_all", "params": {"key": secret, "how": how}})
                see(f"submit {how}", answer)
                jobs.append(answer.json()["id"])
            see("refused by the API", put("jobs/", {"kind": "tells_all", "params": {"key": secret, "number": "x"}}))
            form = {"csrfmiddlewaretoken": csrf(page), "key": secret, "how": "raise", "number": "x"}
            see("the form again", page.post(f"{base}submit/tells_all/", form, headers={"Referer": base}, timeout=20))
            see("a schedule", put("schedules/", {"name": f"tells {how} {len(jobs)}", "kind": "tells_all",
                                                 "params": {"key": secret}, "every_s": 10**6}))  # fmt: skip
            schedule = json.loads(found["a schedule"].partition("\n")[2])["id"]
            see("a schedule's form", page.get(f"{base}schedules/{schedule}/change/", timeout=20))
            client.send("DELETE", f"schedules/{schedule}/")
        waiting = product.manage("submit", "tells_all", f"key={SECRETS[0]}", "--wait", check=False)
        found["submit --wait"] = waiting.stdout + waiting.stderr
        assert "•••" in found["submit --wait"]
        wait_until(lambda: all(client.job(job)["finished_at"] for job in jobs), 60, "the end of all jobs")
        found["webhooks"] = "".join(f"{each.headers}{each.body.decode()}" for each in hook.wait(3 * len(jobs)))
        client.send("DELETE", f"webhooks/{webhook['id']}/")
    found["what Redis got"] = "\n".join(commands)
    with redis.from_url(valkey) as link:
        found["what Redis keeps"] = "".join(str(link.dump(key)) for key in link.scan_iter())
    found["frames"] = "\n".join(asyncio.run(watched(product, text, jobs)))
    for job in jobs:
        see(f"copy of {job}", put("jobs/", {"copy_of": job}))
        for path in ("", "log/"):
            see(f"API {path} {job}", requests.get(f"{base}api/v1/jobs/{job}/{path}", headers=headers, timeout=20))
        for path in ("", "attempts/1/", "params/", "result/", "lines/", "log/"):
            see(f"page {path} {job}", page.get(f"{base}jobs/{job}/{path}", timeout=20))
    share = client.send("POST", f"jobs/{jobs[0]}/share/", {})["url"]
    see("share", requests.get(share, timeout=20))
    for path in ("", "jobs/?q=kind:tells_all", "failures/", "audit/", "metrics", "admin/tasks/job/", "workers/"):
        see(path or "the board", page.get(base + path, timeout=20))
    see("failures by API", requests.get(f"{base}api/v1/failures/", headers=headers, timeout=20))
    row = product.python(f"from tasks.engine.models import Job; print(Job.objects.get(uid='{jobs[1]}').pk)")
    see("Django's admin", page.get(f"{base}admin/tasks/job/{row}/change/", timeout=20))
    found["watch"] = product.manage("watch").stdout
    if not product.servers.database_url:  # of SQLite: a backup of PostgreSQL takes its own client programs
        backup = client.wait(client.submit("back_up_database", {"keep": 1})["id"], timeout=60)
        assert backup["state"] == "succeeded", backup["error"]
    for file in (file for file in product.home.rglob("*") if file.is_file()):
        found[f"file {file.relative_to(product.home)}"] = file.read_bytes().decode(errors="replace")
    assert product.servers.database_url or any("backups" in name for name in found)
    found["log"] = product.log()
    return found


@pytest.mark.process
def test_a_secret_stands_nowhere(reported):
    assert len(reported) > 100
    leaks = {(name.split("01")[0], form) for name, text in reported.items() for form in FORMS if form in text}
    assert leaks == set()


@pytest.mark.process
def test_each_secret_that_a_job_wrote_is_masked_everywhere(reported):
    """Or else nothing was looked at."""
    log = reported["log"]
    for said in ("printed", "complained", "logged", "in a thread:", "logged as a task does"):
        assert f"{said} •••" in log or f"{said} '•••'" in log, said
    assert "KeyError: '•••'" in log, "Celery's own line of the failure"
    masks = {"•••", json.dumps("•••")[1:-1]}
    seen = [text for name, text in reported.items() if name.startswith(("API", "frames", "webhooks"))]
    assert len(seen) > 2 * len(SECRETS) and all(any(mask in text for mask in masks) for text in seen)
    assert '{"key":"•••","•••":["<•••>"]}' in "".join(reported.values())
