"""The docs keep their word: what can be set, run, called, received or refused stands in them; links lead somewhere.

That their examples run is tested here for README.md, and for other pages in test_live_protocol.py and others.
"""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class
from django.urls import URLPattern, URLResolver, get_resolver

from live import consumers
from project import env
from tasks.api.problems import CATALOGUE
from tasks.engine import broker, lifecycle, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job, Outcome
from tasks.worker import pulse, sweep
from tests.engine import test_lifecycle
from tests.project import test_imports
from tests.support.processes import ROOT, wait_until

OURS = ("project", "tasks", "live")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
}
ALL = "\n".join(PAGES.values())
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(text: str) -> str:
    return BLOCK.sub("", text)


def blocks(language: str) -> list[Any]:
    found = [(page, text) for page in PAGES for kind, text in BLOCK.findall(PAGES[page]) if kind == language]
    return [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(found, 1)]


def anchors(text: str) -> set[str]:
    """The names that headings get where Markdown is shown."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


# --- the pages themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in LINK.findall(prose(PAGES[page])):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent.joinpath(name).resolve() if name else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), f"{page} links to {link}"


def test_every_page_can_be_reached_from_the_readme():
    seen, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page not in PAGES:
            continue
        seen.add(page)
        for link in LINK.findall(prose(PAGES[page])):
            target = (ROOT / page).parent.joinpath(link.partition("#")[0]).resolve()
            if ROOT in target.parents:
                ahead.append(str(target.relative_to(ROOT)))
    assert seen == PAGES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    named = re.findall(r"`((?:tasks|live|project|tests|static|templates|bench|script|docs)/[\w./-]+)`", PAGES[page])
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_glossary_is_in_order_and_one_sentence_a_word():
    words = re.findall(r"^\| ([\w -]+) \| (.+) \|$", PAGES["docs/glossary.md"], re.MULTILINE)[1:]
    assert [word for word, _ in words] == sorted((word for word, _ in words), key=str.casefold)
    assert len(words) > 40 and [word for word, meaning in words if ". " in meaning] == []


@pytest.mark.parametrize("text", blocks("python"))
def test_python_examples_are_python(text):
    ast.parse(text)


@pytest.mark.parametrize("text", blocks("json"))
def test_json_examples_are_json(text):
    try:
        json.loads(text)
    except ValueError:  # one document a line
        assert all(json.loads(line) for line in text.splitlines() if line.strip())


@pytest.mark.parametrize("text", blocks("sh"))
def test_shell_examples_are_shell_and_name_commands_that_exist(text):
    checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert set(re.findall(r"manage\.py (\w+)", text)) <= get_commands().keys()
    assert all((ROOT / name).exists() for name in re.findall(r"(?<![\w/])(script/[\w.]+)", text))


def test_commands_that_are_named_exist():
    assert set(re.findall(r"manage\.py ([a-z_]+)", ALL)) <= get_commands().keys()


def test_the_picture_of_the_readme_is_small():
    picture = ROOT / "docs/screenshots/board.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size <= 200_000


# --- all that there is, stands in them -------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(env.known))
def test_every_setting(name):
    assert f"`{name}`" in ALL


@pytest.mark.parametrize("name", sorted(name for name, app in get_commands().items() if str(app).startswith(OURS)))
def test_every_command_and_its_options(name):
    assert f"manage.py {name}" in ALL
    command = load_command_class(get_commands()[name], name)
    known = options(type(command).__bases__[0]())  # what Django has, Django's docs tell
    assert [option for option in options(command) - known if not re.search(rf"{option}(?![\w-])", ALL)] == []


def options(command: BaseCommand) -> set[str]:
    actions = command.create_parser("manage.py", "x")._actions
    return {option for action in actions for option in action.option_strings if option.startswith("--")}


def test_every_script():
    tracked = subprocess.run(["git", "ls-files", "script"], cwd=ROOT, capture_output=True, text=True, check=True)
    scripts = [name for name in tracked.stdout.split() if not name.endswith(".sh")]
    assert [name for name in scripts if name not in ALL] == []


def routes(patterns: list[Any], before: str = "") -> Iterator[str]:
    """Paths as docs write them, ``{}`` for what changes."""
    for each in patterns:
        path = before + re.sub(r"<[^>]*>", "{}", str(each.pattern)).removeprefix("^")
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, path)
        elif isinstance(each, URLPattern) and "(?P" not in path:
            yield path


PUBLISHED = sorted(
    path.removeprefix("api/v1/")
    for path in set(routes(get_resolver().url_patterns))
    if path.startswith("api/v1/") or path in ("api/schema/", "api/docs/", "healthz", "readyz", "metrics")
)


@pytest.mark.long
@pytest.mark.parametrize("path", PUBLISHED)
def test_every_address_of_the_api(path):
    text = re.sub(r"\{[^}\n]*\}|<[\w:]+>", "{}", ALL)
    assert re.search(rf"(?:/api/v1/|/api/|\b[A-Z]{{3,}} /?|`/?){re.escape(path)}(?![\w{{])", text)


def test_no_address_that_is_none():
    reported = re.findall(r"`[A-Z]+ ([^`]+/)`", PAGES["docs/reference.md"])
    assert {re.sub(r"{[^}]*}", "{}", path).removeprefix("/") for path in reported} <= set(PUBLISHED)


def shipped() -> list[registry.Kind]:
    return [kind for kind in registry.kinds() if app.tasks[kind.name].__module__.startswith("tasks.kinds")]


@pytest.mark.parametrize("kind", shipped(), ids=lambda kind: kind.name)
def test_every_kind_and_its_parameters(kind):
    pages = [text for page, text in PAGES.items() if page.startswith("docs/kinds/") or page == "docs/README.md"]
    telling = "\n".join(text for text in pages if re.search(rf"`{kind.name}\b", text))
    assert telling
    assert [field.name for field in kind.signature.fields if not re.search(rf"\b{field.name}\b", telling)] == []


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_problem(code):
    assert f"| `{code}` | {CATALOGUE[code].status} |" in PAGES["docs/reference.md"]


def test_no_problem_that_is_none():
    assert set(re.findall(r"/problems/([a-z-]+)", ALL)) <= CATALOGUE.keys()


def test_every_frame_of_the_socket():
    said = set(re.findall(r'"type": "(\w+)"', PAGES["docs/protocol.md"]))
    written = {word for path in (ROOT / "live").glob("*.py") for word in frames_of(ast.parse(path.read_text()))}
    received = set()
    for node in ast.walk(ast.parse(Path(consumers.__file__).read_text())):
        if isinstance(node, ast.MatchMapping):
            for key, pattern in zip(node.keys, node.patterns, strict=True):
                if key.value == "type":
                    received |= {each.value.value for each in ast.walk(pattern) if isinstance(each, ast.MatchValue)}
    assert written >= {"snapshot", "patch", "job", "beat", "error"}
    assert received >= {"watch", "unwatch", "ack"}
    assert written | received == said


def frames_of(tree: ast.AST) -> set[str]:
    """The first argument of each call of ``frame``: the words in it, or in what was assigned to it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    firsts = [node.args[0] for node in calls if getattr(node.func, "attr", getattr(node.func, "id", "")) == "frame"]
    names = {first.id for first in firsts if isinstance(first, ast.Name)}
    given = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    firsts += [node.value for node in given if names & {getattr(each, "id", "") for each in ast.walk(node.targets[0])}]
    found = [each for first in firsts for each in ast.walk(first) if isinstance(each, ast.Constant)]
    return {each.value for each in found if isinstance(each.value, str)}


def test_every_close_code_of_the_socket():
    numbers = {
        node.value
        for path in (ROOT / "live").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and type(node.value) is int
    }
    used = {str(number) for number in numbers if 1001 <= number <= 1015 or 4400 <= number <= 4499}
    assert used <= set(re.findall(r"^\| (\d{4}) ", PAGES["docs/protocol.md"], re.MULTILINE))


# --- the life of a job -----------------------------------------------------------------------------------------

LIFE = PAGES["docs/lifecycle.md"]


def told_moves() -> dict[str, set[tuple[str, str]]]:
    table = re.findall(r"^\| ([\w, ]+) \| ([\w, ]+) \| `(\w+)` \|", LIFE, re.MULTILINE)
    moves: dict[str, set[tuple[str, str]]] = {}
    for froms, tos, verb in table:
        moves.setdefault(verb, set()).update((f, t) for f in froms.split(", ") for t in tos.split(", "))
    return moves


def test_the_table_of_moves_is_the_one_that_is_tested():
    reported = told_moves()
    for verb, (froms, to) in test_lifecycle.TABLE.items():
        assert {(state, to) for state in froms} <= reported[verb], verb
    assert reported.keys() == test_lifecycle.TABLE.keys() | {"submit"}
    assert all(callable(getattr(lifecycle, verb)) for verb in reported)
    assert {state for moves in reported.values() for move in moves for state in move} == {"new", *Job.OWN}


def test_the_picture_shows_the_moves_of_the_table():
    drawn = {
        tuple(move.split())
        for element in ElementTree.parse(ROOT / "docs/lifecycle.svg").iter()
        for move in element.get("data-moves", "").split(",")
        if move
    }
    assert drawn == set().union(*told_moves().values())


def test_every_outcome_of_an_attempt():
    assert set(re.findall(r"^\| `(\w+)` \|", LIFE, re.MULTILINE)) == set(Outcome.values)


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert (broker.PATIENCE_S * 2, broker.QUIET_S, sweep.FORGOTTEN.total_seconds()) == (0.5, 2, 600)
    assert (pulse.STOP_S, registry.Kind.max_attempts) == (5, 4)
    assert pulse.CANCEL_CHECK_S + pulse.TICK_S < 1
    for words in ("after half a second at most", "for two seconds", "ten minutes", "five seconds later", "4 unless"):
        assert words in LIFE


def test_the_rule_of_the_architecture_is_the_one_that_is_tested():
    page = PAGES["docs/architecture.md"]
    rule = page[page.index("## Who may import whom") : page.index("Three words stay")]
    named = {name.rstrip("/").replace("/", ".") for name in re.findall(r"`((?:tasks|live|project)/\w*)/?`", rule)}
    folders = {name for name in test_imports.RULE if name.count(".") < 2 and name not in ("live.push", "tasks.base")}
    features = {f"tasks.{name}" for name in re.findall(r"`(\w+)`", rule)} & set(test_imports.FEATURES)
    assert (named | features) - {"tasks"} == folders
    reported = re.search(r"only these: (.*?)\. `live", rule, re.DOTALL).group(1)
    pairs = {}
    for part in reported.split("·"):
        feature, others = part.split("→")
        pairs[f"tasks.{feature.strip(' `')}"] = {f"tasks.{name}" for name in re.findall(r"`(\w+)`", others)}
    assert pairs == {name: others for name, others in test_imports.FEATURES.items() if others}


# --- the README ------------------------------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.pure
def test_the_job_of_the_readme_is_ten_lines_and_runs(new_product, tmp_path):
    """As a reader would: a new app beside the product, named in SIGNALBOX_APPS, and a task brought over."""
    (example,) = (text for kind, text in BLOCK.findall(PAGES["README.md"]) if kind == "python")
    (change,) = (text for kind, text in BLOCK.findall(PAGES["README.md"]) if kind == "diff")
    assert len(example[example.index("@job") :].splitlines()) <= 10
    brought = "\n".join(line[1:] for line in change.splitlines() if not line.startswith("-"))
    app = tmp_path / "housekeeping"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "tasks.py").write_text(f"{example}\n\nclass GatewayError(Exception): ...\n\n{brought}\n")
    running = new_product(SIGNALBOX_APPS="housekeeping", PYTHONPATH=str(tmp_path)).start()
    running.python(
        "from datetime import UTC, datetime, timedelta;"
        "from django.contrib.sessions.models import Session;"
        "now = datetime.now(UTC);"
        "[Session.objects.create(session_key=f'k{n}', expire_date=now - timedelta(days=1)) for n in range(5)];"
        "Session.objects.create(session_key='fresh', expire_date=now + timedelta(days=1));"
        "from housekeeping.tasks import clear_sessions;"
        "clear_sessions.delay(batch=2)"
    )
    asked = (
        "from tasks.engine.models import Job; from tasks.engine import registry;"
        "job = Job.objects.get(kind='clear_sessions'); brought = registry.get('send_invoice');"
        "print(job.state, job.result, job.progress_done, job.progress_total, brought.max_attempts,"
        " [field.name for field in brought.signature.fields])"
    )
    answer = wait_until(lambda: (said := running.python(asked)).startswith("succeeded") and said, 30, "the job")
    assert answer == "succeeded 5 5 5 6 ['invoice_id']"
