"""site_sizes against real servers: its rows, its log, its limits, and how it stops."""

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import time
from ipaddress import ip_network
from pathlib import Path

import pytest

from tasks.engine import lifecycle, registry
from tasks.engine.models import Job
from tasks.engine.report import Cancelled, Report
from tasks.fetch.fetcher import Fetcher
from tasks.kinds import sites
from tasks.params.signature import ParamError
from tests.support.origins import moved, origin, reply
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_address_allowed(settings):
    """Tests may reach 127.0.0.1; nothing else on this machine."""
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]


async def run(report: Report, addresses: list[str], timeout: int = 5) -> dict:  # noqa: ASYNC109
    """The kind's own function, as a worker calls it, inside a loop that the test's servers share."""

    def call() -> dict:
        with report:
            return sites.site_sizes.run(addresses, timeout)

    return await asyncio.to_thread(call)


def web(head: bytes) -> bytes:
    answers = {
        b"/small": reply(b"x" * 10),
        b"/packed": reply(gzip.compress(b"y" * 5000), "200 OK", "Content-Encoding: gzip"),
        b"/gone": reply(b"not here", "404 Not Found"),
        b"/moved": moved("/moved-again"),
        b"/moved-again": moved("/small", "301 Moved Permanently"),
        b"/inside": moved("http://169.254.169.254/latest/"),
        b"/broken": b"nonsense\r\n\r\n",
        b"/odd": reply(b"", "799 Odd"),
    }
    return answers.get(head.split()[1], reply())


async def test_a_row_for_each_address_in_their_order_and_a_total():
    report = Report()
    async with origin(web) as site:
        paths = ["small", "packed", "gone", "moved", "inside", "broken", "small", "odd"]
        result = await run(report, [f"{site.url}/{path}" for path in paths])
    rows = result["rows"]
    assert [row["address"] for row in rows] == [f"{site.url}/{path}" for path in paths]
    assert [row["bytes"] for row in rows] == [10, 5000, 8, 10, None, None, 10, 0]
    assert [row["status"] for row in rows] == [200, 200, 404, 200, None, None, 200, 799]
    assert [(row["error"] or "-").partition(":")[0] for row in rows] == [
        "-", "-", "status", "-", "refused-address", "protocol", "-", "status",
    ]  # fmt: skip
    assert rows[2]["error"] == "status: The server answered 404 Not Found."
    assert rows[4]["error"].endswith("169.254.169.254 is a link-local address, which jobs may not reach.")
    assert rows[3]["final_url"] == f"{site.url}/small"
    assert rows[3]["redirects"] == [
        {"status": 302, "to": f"{site.url}/moved-again"},
        {"status": 301, "to": f"{site.url}/small"},
    ]
    assert rows[4]["redirects"] == [{"status": 302, "to": "http://169.254.169.254/latest/"}]
    assert all(0 < row["seconds"] < 5 for row in rows)
    assert (result["total_bytes"], result["ok"], result["failed"]) == (5038, 4, 4)


async def test_each_address_is_a_log_line_and_a_step_of_progress():
    report = Report()
    async with origin(web) as site:
        await run(report, [f"{site.url}/{path}" for path in ("packed", "moved", "gone", "broken")])
    news = report.take()
    said = {line.text.replace(site.url, "").partition(":")[0]: (line.level, line.text) for line in news.lines}
    assert (news.done, news.total) == (4, 4)
    assert said["/packed"][0] == "info" and " 5,000 bytes in 0." in said["/packed"][1]
    assert said["/moved"][1].endswith("200 OK, after 2 redirects")
    assert said["/gone"][0] == "warning" and said["/gone"][1].endswith("404 Not Found")
    assert said["/broken"] == (
        "warning",
        f"{site.url}/broken: protocol: The answer is not valid HTTP, or its header is too large.",
    )


@pytest.mark.parametrize(
    ("typed", "fetched"),
    [
        ("example.com", "https://example.com"),
        (" example.com:8080/a ", "https://example.com:8080/a"),
        ("//example.com/", "https://example.com/"),
        ("HTTP://example.com", "HTTP://example.com"),
        ("ftp://example.com", "ftp://example.com"),
        ("example.com/?next=http://x", "https://example.com/?next=http://x"),
    ],
)
def test_a_missing_scheme_is_https(typed, fetched):
    assert sites.with_scheme(typed) == fetched


async def test_nonsense_is_a_row_too():
    result = await run(Report(), ["", "mailto:a@b.example", "ftp://example.com/", "a b", "http://127.1/", "127.0.0.2"])
    assert [row["error"].partition(":")[0] for row in result["rows"]] == ["bad-url"] * 5 + ["refused-address"]
    assert result["failed"] == 6


@pytest.mark.long
async def test_twenty_at_once_so_a_hundred_take_five_rounds():
    async def slowly(reader, writer, head):
        await asyncio.sleep(0.2)
        writer.write(reply(b"ok"))

    async with origin(slowly) as site:
        started = time.monotonic()
        result = await run(Report(), [site.url] * 100)
    assert (result["ok"], site.most) == (100, sites.AT_ONCE)
    assert 0.9 < time.monotonic() - started < 6  # one after another: 20 s


@pytest.mark.long
async def test_a_slow_address_delays_no_other():
    async def speak(reader, writer, head):
        if b"/slow" in head:
            await reader.read()
        writer.write(reply(b"ok"))

    async with origin(speak) as site:
        result = await run(Report(), [f"{site.url}/slow", *[f"{site.url}/quick"] * 40], timeout=1)
    assert result["rows"][0]["error"] == "timeout: No complete answer within 1 s."
    assert result["rows"][0]["seconds"] == pytest.approx(1, abs=0.5)
    assert result["ok"] == 40 and max(row["seconds"] for row in result["rows"][1:]) < 0.9


async def test_after_the_total_no_further_address_is_begun():
    async def slowly(reader, writer, head):
        await asyncio.sleep(0.3)
        writer.write(reply(b"ok"))

    async with origin(slowly) as site, Fetcher() as fetcher:
        rows = await sites.measure(fetcher, [site.url] * 50, lambda row: None, total=0.2)
    assert [row["error"] is None for row in rows] == [True] * 20 + [False] * 30
    assert rows[-1]["error"].startswith("timeout: After 0.2 s")


@pytest.mark.parametrize("count", [0, 1001])
async def test_so_many_addresses_and_no_more(count):
    with pytest.raises(ParamError, match="Give 1 to 1,000 addresses"):
        await run(Report(), ["127.0.0.1"] * count)


@pytest.mark.parametrize("timeout", [0, 121, "soon"])
def test_a_wrong_timeout_is_refused_where_it_is_typed(timeout):
    with pytest.raises(ParamError) as caught:
        registry.get("site_sizes").signature.clean({"addresses": "example.com", "timeout": timeout})
    assert list(caught.value.errors) == ["timeout"]


@pytest.mark.long
async def test_a_thousand_addresses_make_a_modest_result():
    """Even when every server redirects as long as it may, to addresses as long as they may be."""
    deep = "x" * 1900

    def says(head: bytes) -> bytes:
        step = int(head.split()[1].rpartition(b"/")[2] or 0)
        return moved(f"/{deep}/{step + 1}") if step < 5 else reply(b"z" * 1000)

    async with origin(says) as site:
        result = await run(Report(), [site.url + "/"] * 1000, timeout=60)
    assert (result["ok"], result["total_bytes"]) == (1000, 1_000_000)
    assert len(json.dumps(result)) < 3_000_000


async def test_a_cancel_stops_everything_at_once():
    left = 0

    async def waiting(reader, writer, head):
        nonlocal left
        await reader.read()  # until the client hangs up
        left += 1

    async with origin(waiting) as site:
        report = Report()
        task = asyncio.create_task(run(report, [site.url] * 200, timeout=60))
        async with asyncio.timeout(5):
            while site.met < sites.AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        started = time.monotonic()
        report.stop(Cancelled)
        with pytest.raises(Cancelled):
            await task
        assert time.monotonic() - started < 1
        async with asyncio.timeout(2):
            while left < sites.AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert site.met == sites.AT_ONCE


@pytest.mark.django_db(transaction=True)
async def test_the_job_from_its_form_to_its_row():
    async with origin(web) as site:

        def work() -> Job:
            typed = {"addresses": f"{site.url}/small\n\n {site.url}/gone \n", "timeout": "3"}
            job, _ = lifecycle.submit("site_sizes", typed)
            sites.site_sizes.perform(lifecycle.claim(job.uid, "w@here", 1))
            return Job.objects.get(uid=job.uid)

        job = await asyncio.to_thread(work)
    assert (job.state, job.progress_done, job.progress_total) == ("succeeded", 2, 2)
    assert (job.result["ok"], job.result["failed"], job.result["total_bytes"]) == (1, 1, 18)


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_measures_and_sees_a_cancel_while_every_server_is_silent(start_worker):
    start_worker("w1")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # connects, and never says a word
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        short, _ = lifecycle.submit("site_sizes", {"addresses": [address], "timeout": 1})
        wait_until(lambda: Job.objects.get(pk=short.pk).state == "succeeded", what="the end of one address")
        assert Job.objects.get(pk=short.pk).result["rows"][0]["error"].startswith("timeout: ")
        assert short.log.get().level == "warning"
        job, _ = lifecycle.submit("site_sizes", {"addresses": [address] * 100, "timeout": 60})
        wait_until(lambda: Job.objects.get(pk=job.pk).state == "running", what="the start")
        lifecycle.cancel(job.uid)
        wait_until(lambda: Job.objects.get(pk=job.pk).state == "cancelled", 5, "the cancel")
        done = Job.objects.get(pk=job.pk)
    assert (done.finished_at - done.cancel_requested_at).total_seconds() < 2


def bench(*options: str) -> dict:
    """What bench/site_sizes.py measures in a process of its own, against a server in another."""
    command = [sys.executable, str(ROOT / "bench/site_sizes.py"), "--json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


@pytest.mark.process
@pytest.mark.pure
def test_all_at_once_beats_one_after_another():
    assert bench("--addresses", "40", "--delay", "0.05", "--size", "1000")["ratio"] > 4


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_a_thousand_large_pages_take_little_memory():
    assert bench("--addresses", "1000", "--delay", "0.01", "--size", "300000", "--at-once-only")["grown_mb"] < 50
