"""The scripts without a page: what the store believes, how a link comes back, how old a picture is called."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

STATIC = Path(__file__).parents[2] / "static/js"
ORIGIN = "http://scripts.test/"


@pytest.fixture
def scripts(chromium: Browser) -> Iterator[Page]:
    """An empty page that can import the scripts."""
    context = chromium.new_context()

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(ORIGIN)
        if name:
            route.fulfill(body=(STATIC / name).read_text(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>scripts</title>", content_type="text/html")

    context.route(f"{ORIGIN}**", serve)
    page = context.new_page()
    page.goto(ORIGIN)
    yield page
    context.close()


def test_the_store_keeps_the_newest_version_whatever_the_order(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { Store } = await import("./live/store.js");
            const store = new Store();
            const job = (version) => ({ id: "a", version, state: "running" });
            store.apply({ type: "snapshot", n: 1, jobs: [job(3)] });
            const told = [];
            store.subscribe((change) => told.push([...change.jobs.keys()].length));
            store.apply({ type: "patch", n: 2, jobs: [job(5)] });
            store.apply({ type: "patch", n: 2, jobs: [job(5)] });
            store.apply({ type: "patch", n: 3, jobs: [job(4)] });
            store.apply({ type: "snapshot", n: 4, jobs: [job(2)] });
            return [store.jobs.get("a").version, told];
        }"""
    ) == [5, [1, 0, 0, 0]]


def test_a_snapshot_takes_away_what_it_does_not_name_and_a_patch_only_what_it_calls_gone(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { Store } = await import("./live/store.js");
            const store = new Store();
            const job = (id) => ({ id, version: 1, state: "queued" });
            store.apply({ type: "snapshot", n: 1, jobs: ["a", "b", "c"].map(job), stats: { now: { queued: 3 } } });
            store.apply({ type: "patch", n: 2, jobs: [job("d")], gone: ["b", "nobody"] });
            const between = [...store.jobs.keys()];
            const change = store.apply({ type: "snapshot", n: 3, jobs: ["d", "e"].map(job) });
            return [between, [...store.jobs.keys()], [...change.gone].sort(), store.stats.now.queued];
        }"""
    ) == [["a", "c", "d"], ["d", "e"], ["a", "c"], 3]


def test_a_watched_job_replaces_attempts_by_number_and_adds_lines_by_seq(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { Store } = await import("./live/store.js");
            const store = new Store();
            const say = (job) => store.apply({ type: "job", n: 1, job: { id: "a", ...job } });
            const line = (seq) => ({ seq, text: `line ${seq}` });
            say({ version: 1, params: { x: 1 }, attempts: [{ number: 1, outcome: null }], log: [line(1), line(2)] });
            const attempts = [{ number: 2, outcome: null }, { number: 1, outcome: "lost" }];
            say({ version: 4, attempts, log: [line(2), line(3)] });
            say({ version: 2, state: "old", attempts: [], log: [line(4)] });
            const job = store.details.get("a");
            const outcomes = job.attempts.map((attempt) => [attempt.number, attempt.outcome]);
            return [job.version, job.params.x, outcomes, job.log.map((line) => line.seq), job.state ?? null];
        }"""
    ) == [4, 1, [[1, "lost"], [2, None]], [1, 2, 3, 4], None]


FAKE = """
    const made = [];
    class Fake {
        readyState = 0; sent = [];
        constructor(url, protocol) { made.push(Object.assign(this, { url, protocol })); }
        send(text) { this.sent.push(JSON.parse(text)); }
        close() { this.closed = true; }
        up() { this.readyState = 1; this.onopen(); }
        say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
        down(code) { this.readyState = 3; this.onclose({ code, reason: "" }); }
    }
    const { Socket } = await import("./live/socket.js");
"""


def test_the_link_watches_again_after_each_connection_and_acknowledges_what_counts(scripts: Page) -> None:
    scripts.clock.install(time=0)
    scripts.clock.pause_at(1_000)
    assert scripts.evaluate(
        "async () => {" + FAKE + """
            let after = 0;
            const socket = new Socket("ws://x/", { onFrame: () => (after += 5), WebSocket: Fake, random: () => 1 });
            socket.watch("job", () => ({ type: "watch", job: "a", after }));
            socket.open();
            made[0].up();
            made[0].say({ type: "job", n: 7 });
            made[0].say({ type: "beat", every: 5 });
            made[0].down(1006);
            window.later = () => { made[1].up(); return [made[0].protocol, made[0].sent, made[1].sent]; };
            return made.length;
        }"""
    ) == 1  # fmt: skip
    scripts.clock.run_for(600)
    protocol, first, second = scripts.evaluate("later()")
    assert protocol == "signalbox.v1"
    assert first == [{"type": "watch", "job": "a", "after": 0}, {"type": "ack", "n": 7}]
    assert second == [{"type": "watch", "job": "a", "after": 10}]


def test_a_failing_link_waits_longer_each_time_with_full_jitter_up_to_twenty_seconds(scripts: Page) -> None:
    scripts.clock.install(time=0)
    scripts.clock.pause_at(1_000)
    scripts.evaluate(
        "async () => {" + FAKE + """
            window.waits = [];
            const dice = [1, 1, 0.25, 1, 1, 1, 1, 1, 0];
            const onLink = (link, wait) => link === "waiting" && waits.push(wait);
            const socket = new Socket("ws://x/", { onFrame() {}, onLink, WebSocket: Fake, random: () => dice.shift() });
            socket.open();
            window.fail = () => made.at(-1).down(1006);
            window.succeed = () => { made.at(-1).up(); made.at(-1).say({ type: "snapshot", n: 1, jobs: [] }); };
        }"""
    )  # fmt: skip
    for _ in range(7):
        scripts.evaluate("fail()")
        scripts.clock.run_for(scripts.evaluate("waits.at(-1)") * 1000 + 1)
    assert scripts.evaluate("waits") == [0.5, 1, 0.5, 4, 8, 16, 20]
    scripts.evaluate("succeed(); fail()")
    assert scripts.evaluate("waits.at(-1)") == 0.5, "a snapshot proves the link: the next failure is a first one"


def test_two_and_a_half_silent_beats_are_a_dead_link(scripts: Page) -> None:
    scripts.clock.install(time=0)
    scripts.clock.pause_at(1_000)
    scripts.evaluate(
        "async () => {" + FAKE + """
            const socket = new Socket("ws://x/", { onFrame() {}, WebSocket: Fake, random: () => 0 });
            socket.open();
            made[0].up();
            made[0].say({ type: "beat", every: 2 });
            window.made = made;
        }"""
    )  # fmt: skip
    scripts.clock.run_for(4_900)
    assert scripts.evaluate("made.length") == 1
    scripts.clock.run_for(200)
    assert scripts.evaluate("[made.length, made[0].closed]") == [2, True]


@pytest.mark.parametrize("code", [4401, 4403])
def test_a_link_that_was_refused_stays_closed(scripts: Page, code: int) -> None:
    scripts.clock.install(time=0)
    scripts.clock.pause_at(1_000)
    ended = scripts.evaluate(
        "async (code) => {" + FAKE + """
            const ended = [];
            const socket = new Socket("ws://x/", { onFrame() {}, onEnd: (code) => ended.push(code), WebSocket: Fake });
            socket.open();
            made[0].up();
            made[0].down(code);
            socket.hurry();
            window.made = made;
            return ended;
        }""",
        code,
    )  # fmt: skip
    scripts.clock.run_for(60_000)
    assert ended == [code]
    assert scripts.evaluate("made.length") == 1


def test_a_picture_is_live_then_catching_up_then_stale_even_if_the_machine_slept(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { Freshness } = await import("./live/freshness.js");
            const [tick, wall] = [{ at: 0, now() { return this.at; } }, { at: 0, now() { return this.at; } }];
            const freshness = new Freshness(tick, wall);
            const words = [freshness.word()];
            freshness.heard({ age: 1 });
            for (const s of [0, 5.9, 6, 13.9, 14]) { tick.at = wall.at = s * 1000; words.push(freshness.word()); }
            freshness.heard({ age: 0 });
            words.push(freshness.word());
            wall.at += 60_000;
            words.push(freshness.word());
            return words;
        }"""
    ) == ["connecting", "live", "live", "catching-up", "catching-up", "stale", "live", "stale"]


def test_the_search_box_completes_the_piece_at_the_caret(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { matching, pieceAt } = await import("./parts/search.js");
            const words = ["state:", "state:failed", "kind:", "kind:fetch", 'owner:"anna maria"', "owner:fay"]
                .map((value) => ({ value, about: "" }));
            const of = (typed) => matching(words, typed).map(({ value }) => value);
            return [
                pieceAt("state:failed ki x", 15).piece, pieceAt('owner:"anna ma', 14).piece, pieceAt("ab cd", 1),
                of("fa"), of("s"), of("state:F"), of(""), of("anna"), of('owner:"a'), of("state:failed"),
            ];
        }"""
    ) == [
        "ki", 'owner:"anna ma', {"start": 0, "end": 2, "piece": "a"},
        ["state:failed", "owner:fay"],
        ["state:", "state:failed"], ["state:failed"], ["state:", "kind:"], ['owner:"anna maria"'],
        ['owner:"anna maria"'], [],
    ]  # fmt: skip


def test_a_page_tells_which_new_jobs_match_its_search(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { matches } = await import("./pages/jobs.js");
            const job = { state: "failed", kind: "noop", queue: "io", owner: null, parent: "p" };
            return [
                matches({ state: [["failed", "cancelled"]], kind: [], queue: [["io"]], owner: [] }, job),
                matches({ state: [["failed"], ["queued"]], kind: [], queue: [], owner: [] }, job),
                matches({ state: [], kind: [], queue: [], owner: [["alice"]] }, job),
                matches({ state: [], kind: [], queue: [], owner: [], parent: [["p"]] }, job),
            ];
        }"""
    ) == [True, False, False, True]


def test_whole_numbers_beyond_two_to_the_53rd_are_read_to_the_last_digit(scripts: Page) -> None:
    assert scripts.evaluate(
        """async () => {
            const { parsed } = await import("./live/exact.js");
            const { fraction, way } = await import("./parts/job_text.js");
            const frame = parsed('{"a":[9007199254740993,-9007199254740993,1e300,1.5,7],"t":"9007199254740993"}');
            const progress = parsed('{"done":9223372036854775807,"total":9007199254740993,"note":""}');
            return [frame.a.map(String), frame.t, fraction(way({ state: "running", progress })),
                fraction(way({ state: "running", progress: { done: 3, total: 10 } }))];
        }"""
    ) == [
        ["9007199254740993", "-9007199254740993", "1e+300", "1.5", "7"],
        "9007199254740993",
        "9,007,199,254,740,993 / 9,007,199,254,740,993",
        "3 / 10",
    ]
