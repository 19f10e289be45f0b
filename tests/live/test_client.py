"""The Python client and the commands, against the whole product: what they submit really runs, what they show is so."""

import asyncio
import json
import subprocess
import sys
import threading

import pytest

from live.client import Client, Problem, Unreachable
from tests.support.processes import ROOT, Product, wait_until

pytestmark = [pytest.mark.process, pytest.mark.pure]


@pytest.fixture(scope="module")
def token(product: Product) -> str:
    words = product.manage("token", product.user, "--scope", "manage").stdout
    assert len(words.split()) == 1
    return words.strip()


@pytest.fixture
def client(product: Product, token: str) -> Client:
    return Client(product.base_url, token)


def test_it_needs_no_django():
    ours = "('django', 'tasks', 'project')"
    code = f"import sys, live.client; sys.exit(any(name.startswith({ours}) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_submit_and_wait_with_progress(client):
    seen = []
    job = client.submit("countdown", {"seconds": 1, "steps": 4}, priority=9)
    done = client.wait(job["id"], lambda now: seen.append((now["state"], now["progress"]["done"])), timeout=30)
    assert (done["state"], done["result"]) == ("succeeded", {"seconds": 1, "steps": 4})
    assert [line["text"] for line in done["log"]] == ["Counted down to zero."]
    assert seen[-1] == ("succeeded", 4) and {state for state, _ in seen} >= {"running", "succeeded"}


def test_the_same_key_is_the_same_job_and_lists_go_on_page_after_page(client):
    first = client.submit("noop", key="client-17")
    assert client.submit("noop", key="client-17")["id"] == first["id"]
    made = [client.submit("noop")["id"] for _ in range(5)]
    listed = [job["id"] for job in client.jobs(kind="noop", limit=2)]
    assert listed[:5] == made[::-1] and first["id"] in listed


def test_what_the_server_refuses_is_a_problem_with_its_code(client, product):
    with pytest.raises(Problem) as wrong:
        client.submit("countdown", {"seconds": "x"})
    assert (wrong.value.status, wrong.value.code, list(wrong.value.errors)) == (400, "bad-input", ["params.seconds"])
    with pytest.raises(Problem) as unknown:
        client.job("0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a")
    assert (unknown.value.status, unknown.value.code) == (404, "unknown-job")
    with pytest.raises(Problem) as forbidden:
        Client(product.base_url, "0" * 64).submit("noop")
    assert forbidden.value.status == 401
    with pytest.raises(Problem, match="may not see"):
        client.wait("0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a", timeout=10)
    with pytest.raises(Problem) as socket:
        asyncio.run(anext(Client(product.base_url, "0" * 64).watch()))
    assert socket.value.status == 403


def test_a_token_goes_to_no_other_server(client):
    with pytest.raises(ValueError, match="not an address of"):
        client.send("GET", "http://127.0.0.1:1/api/v1/jobs/")
    with pytest.raises(Unreachable):
        Client("http://127.0.0.1:1", "x").send("POST", "jobs/", {"kind": "noop"})  # without a key: once


async def test_the_board_as_an_async_iterator(client):
    async def seen(state: str) -> None:
        async for board in client.watch():
            if board.jobs.get(job["id"], {}).get("state") == state:
                assert 0 <= board.age < 10 and "now" in board.stats
                return

    job = await asyncio.to_thread(client.submit, "countdown", {"seconds": 30})
    await asyncio.wait_for(seen("running"), 20)
    await asyncio.to_thread(client.cancel, job["id"], "seen enough")
    await asyncio.wait_for(seen("cancelled"), 20)


def test_it_comes_back_after_the_server_was_killed(new_product):
    product = new_product().start()
    client = Client(product.base_url, product.manage("token", product.user, "--scope", "manage").stdout.strip())
    job = client.submit("countdown", {"seconds": 60, "steps": 600})
    states, ended = [], []
    follower = threading.Thread(
        target=lambda: ended.append(client.wait(job["id"], lambda now: states.append(now["state"]), timeout=90))
    )
    follower.start()
    wait_until(lambda: "running" in states, 30)
    product.kill("web")

    def cancelled() -> bool:
        try:
            return bool(client.cancel(job["id"]))
        except Unreachable:
            return False

    wait_until(cancelled, 60)
    follower.join(60)
    assert ended and ended[0]["state"] == "cancelled"


# --- the commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "state"),
    [
        (("seconds=1", "steps=2"), 0, "succeeded"),
        (("seconds=0", "steps=1", "fail=yes"), 1, "failed"),
    ],
)
def test_submit_waits_and_exits_as_the_job_ends(product, words, code, state):
    ended = product.manage("submit", "countdown", *words, "--wait", "--owner", product.user, check=False)
    assert ended.returncode == code, ended.stderr
    assert len(ended.stdout.split()) == 1  # the id, and nothing else
    assert f"countdown {state}" in ended.stderr


def test_submit_exits_2_for_a_cancelled_job(product, client):
    command = threading.Thread(
        target=lambda: ended.append(product.manage("submit", "countdown", "seconds=60", "--wait", check=False))
    )
    ended: list[subprocess.CompletedProcess] = []
    command.start()

    def ours() -> str | None:  # not one that an earlier test has left running
        running = (job["id"] for job in client.jobs(kind="countdown", state="running"))
        return next((job for job in running if client.job(job)["params"]["seconds"] == 60), None)

    client.cancel(wait_until(ours, 60))
    command.join(60)
    assert ended[0].returncode == 2


def test_what_is_wrong_is_said_before_anything_is_queued(product, client):
    kinds = ["countdown", "noop"]  # the beat makes others meanwhile
    before = len(list(client.jobs(kind=kinds)))
    for words, said in (
        (("countdown", "seconds=x"), "seconds: Give a whole number."),
        (("countdown", "colour=red"), "colour: This job has no such parameter."),
        (("countdown", "seconds"), "not of the form name=value"),
        (("no_such_kind",), "There is no kind of job named 'no_such_kind'. There are:"),
        (("noop", "--priority", "11"), "invalid choice"),
        ((), "required: kind"),
    ):
        ended = product.manage("run" if "colour" in said else "submit", *words, check=False)
        assert ended.returncode == 64 and said in ended.stderr and "Traceback" not in ended.stderr
    assert len(list(client.jobs(kind=kinds))) == before


def test_run_runs_it_here(product, client):
    ended = product.manage("run", "countdown", "seconds=0", "steps=2")
    assert "info: Counted down to zero." in ended.stdout
    assert json.loads(ended.stdout.splitlines()[-1]) == {"seconds": 0, "steps": 2}
    job = client.job(ended.stderr.split("job ")[1].split()[0])
    assert (job["state"], job["worker"].startswith("run@")) == ("succeeded", True)
    failed = product.manage("run", "countdown", "seconds=0", "steps=1", "fail=yes", check=False)
    assert failed.returncode == 1 and "RuntimeError: It failed" in failed.stderr


def test_watch_shows_the_board_and_one_job(product, client, token):
    job = client.submit("countdown", {"seconds": 2, "steps": 4})
    shown = product.manage("watch", job["id"], "--url", product.base_url)
    assert shown.returncode == 0 and "countdown succeeded" in shown.stderr
    board = product.manage("watch", "--url", product.base_url, "--token", token)
    assert "countdown" in board.stdout and "running" in board.stdout
    assert "countdown" in product.manage("watch").stdout, "it knows from up.json where that is"
    unknown = product.manage("watch", "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a", "--url", product.base_url, check=False)
    assert unknown.returncode == 1 and "may not see" in unknown.stderr
    assert json.loads(product.python("import json; from tasks.access.models import Token; print(json.dumps("
                                     "Token.objects.filter(name='manage.py watch').count()))")) == 0  # fmt: skip
