"""manage.py watch [JOB]: the board, or one job, in the terminal, over the WebSocket, as any other program sees it."""

import asyncio
import json
import sys
from argparse import ArgumentParser
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from live.client import Board, Client, Problem, Unreachable
from project import env
from project.management.terminal import EXITS, ProgressBar
from tasks.access.models import Token
from tasks.engine.visible import in_lines, in_one_line
from tasks.people import accounts

LOOKS = {
    "running": "cyan",
    "failed": "red",
    "retrying": "yellow",
    "succeeded": "green",
    "cancelled": "dim",
    "unknown": "dim",
}
ROWS = 30


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Shows the board, or one job until it has ended. Without --token it makes one for the time it runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", nargs="?")
        parser.add_argument(
            "--url", default=running(), help="where Signalbox is; by default where `up` runs it from here"
        )
        parser.add_argument(
            "--token", default="", help="or SIGNALBOX_TOKEN, or the file that SIGNALBOX_TOKEN_FILE names"
        )

    def handle(self, *args: Any, job: str | None, url: str, token: str, **options: Any) -> None:
        try:
            token = token or env.secret_text("SIGNALBOX_TOKEN")
        except ImproperlyConfigured as wrong:
            raise CommandError(str(wrong), returncode=2) from None
        made = None if token else own_token()
        try:
            client = Client(url, token or made[1])
            client.send("GET", "kinds/")  # whoever is not there, or lets nobody in, is not tried for ever
            sys.exit(one(client, job) if job else asyncio.run(board(client)))
        except (Problem, Unreachable) as problem:
            raise CommandError(in_lines(problem)) from None
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            if made:
                made[0].delete()


def running() -> str:
    """Where `up` says that it answers, if it runs from this home."""
    try:
        return json.loads((settings.SIGNALBOX_HOME / "up.json").read_text())["url"]
    except (OSError, ValueError, LookupError, TypeError):
        return "http://127.0.0.1:8000"


def own_token() -> tuple[Token, str]:
    """A token for this command alone, of some admin: whoever may run it may read the database anyway."""
    admin = accounts.active_admins().first()
    if admin is None:
        raise CommandError("There is no admin yet whose board it could show. Give --token.")
    return Token.objects.make(admin, "read", name="manage.py watch", days=1)


def one(client: Client, job: str) -> int:
    with ProgressBar() as bar:
        ended = client.wait(job, bar.show)
    bar.end(ended)
    return EXITS[ended["state"]]


async def board(client: Client) -> int:
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        async with aclosing(client.watch(apps=True)) as pictures:
            async for picture in pictures:
                live.update(table(picture), refresh=True)
                if not console.is_terminal:  # a pipe gets the board once
                    break
    return 0


def currency(app: dict[str, Any]) -> str:
    """``shop: 0.2 s behind, 2 workers, 3 unseen``."""
    lag = "not read yet" if app["lag_s"] is None else f"{app['lag_s']} s behind"
    return f"{app['name']}: {lag}, {app['workers']} workers, {app['unseen']} unseen"


def table(picture: Board) -> Table:
    now = picture.stats.get("now", {})
    title = escape(in_one_line(" · ".join(f"{n} {state}" for state, n in now.items())))
    watched = picture.stats.get("apps", [])
    caption = escape(in_one_line(" · ".join(map(currency, watched))))
    columns = ["state", *["app"] * bool(watched), "kind", "progress", "note", "owner", "worker"]
    shown = Table(*columns, title=title, caption=caption, expand=True)
    order = ("running", "retrying", "queued", "failed", "cancelled", "unknown", "succeeded")
    jobs = sorted(picture.jobs.values(), key=lambda job: order.index(job["state"]) if job["state"] in order else 9)
    for job in jobs[:ROWS]:
        done, total = job["progress"]["done"], job["progress"]["total"]
        about = f"{job['kind']} {job.get('title', '')}".strip()
        note = f"not confirmed since {job['doubt_at'][11:19]}" if job.get("doubt_at") else job["progress"]["note"]
        cells = (about, f"{done}/{total}" if total else "", note, job["owner"], job["worker"])
        cells = (job.get("app"), *cells) if watched else cells
        look = LOOKS.get(job["state"], "")
        state = f"[{look}]{job['state']}[/]" if look else escape(in_one_line(job["state"]))
        shown.add_row(state, *(escape(in_one_line(cell or "")) for cell in cells))
    return shown
