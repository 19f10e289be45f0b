"""docs/deployment.md, followed as it stands: nginx, PostgreSQL, Redis, two web processes, two workers and two beats are
started by its files and commands, and restarted one by one under an open page and a stream of jobs.
"""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
import requests

from project import valkey
from tests.deployment import page
from tests.deployment.board import Board
from tests.deployment.machine import Machine
from tests.deployment.traffic import Jobs
from tests.support.pictures import collection_of, zipped
from tests.support.processes import ROOT, wait_until
from tests.support.servers import Servers
from tests.support.tls import certificate

pytestmark = pytest.mark.process
ADMIN, PASSWORD = "ada", "a long enough pass phrase"
_numbers = count(1)


def program(name: str, package: str) -> str:
    """Where a program is that no Python package brings; script/test installs them on Debian when it is root."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} cannot be had on this machine, so this part of docs/deployment.md is not tried: {package}")
    return found


class Site:
    """The page's installation, its places taken for this machine's."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.binaries = Path(servers.createdb[0]).parent
        self.postgres_port = servers.database_url.rpartition("/")[0].rpartition(":")[2]
        self.name = f"deployed{next(_numbers)}"
        self.password = "s3cret"
        ports = {name: valkey.free_port() for name in ("8001", "8002", "443", "80", "6379", "6432")}
        self.ports, self.host = ports, f"jobs.example.org:{ports['443']}"
        self.base = f"https://127.0.0.1:{ports['443']}"
        self.pem, key = certificate(folder)
        bin_folder = str(Path(sys.executable).parent)
        self.places = page.Places(
            {
                "/opt/signalbox/.venv/bin": bin_folder, ".venv/bin": bin_folder, "/opt/signalbox": str(ROOT),
                "/etc/signalbox.env": str(folder / "signalbox.env"), "/var/lib/signalbox": str(folder / "home"),
                "/srv/signalbox/static": str(folder / "static"), "/var/lib/redis": str(folder / "redis"),
                "/etc/ssl/jobs.example.org.pem": str(self.pem), "/etc/ssl/jobs.example.org.key": str(key),
                "/var/backups": str(folder / "backups"), "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
                "ROLE signalbox LOGIN": f"ROLE {self.name} LOGIN",
                "DATABASE signalbox OWNER signalbox": f"DATABASE {self.name} OWNER {self.name}",
                "signalbox:change-me@db.internal:5432/signalbox":
                    f"{self.name}:{self.password}@127.0.0.1:{self.postgres_port}/{self.name}",
                "signalbox = host": f"{self.name} = host", "signalbox_web = host": f"{self.name}_web = host",
                "dbname=signalbox": f"dbname={self.name}", "SECRET_KEY=change-me": f"SECRET_KEY={self.key()}",
                "change-me": self.password, "db.internal": "127.0.0.1", "5432": self.postgres_port,
                "redis.internal": "127.0.0.1", "8001": str(ports["8001"]), "8002": str(ports["8002"]),
                "6379": str(ports["6379"]), "6432": str(ports["6432"]),
                "listen 443": f"listen 127.0.0.1:{ports['443']}", "listen 80": f"listen 127.0.0.1:{ports['80']}",
            }
        )  # fmt: skip
        for name in ("redis", "backups", "static"):
            (folder / name).mkdir()
            (folder / name).chmod(0o755)  # whatever the umask of the tests is
        self.write("signalbox.env", page.block("Environment", "sh"))
        self.url = page.environment(folder / "signalbox.env")["DATABASE_URL"]
        self.plain = {"PATH": f"{self.binaries}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
        names = ("signalbox-web@", "signalbox-worker@", "signalbox-beat@")
        units = {name: page.unit(self.here(page.block("systemd", "ini", n))) for n, name in enumerate(names)}
        self.machine = Machine(servers, folder, units, self.plain)

    def key(self) -> str:
        """What the command in the page's file prints."""
        (line,) = [line for line in page.block("Environment", "sh").splitlines() if line.startswith("# python3")]
        return subprocess.run(["sh", "-c", line[2:]], capture_output=True, text=True, check=True).stdout.strip()

    def here(self, text: str) -> str:
        return self.places.here(text)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(self.here(text))
        path.chmod(0o644)
        return path

    def psql(self, text: str, database: str = "postgres") -> None:
        command = [str(self.binaries / "psql"), "-h", "127.0.0.1", "-p", self.postgres_port, "-U", "signalbox"]
        subprocess.run([*command, "-v", "ON_ERROR_STOP=1", database], input=text, text=True, check=True)

    def run(self, text: str, **more: str) -> str:
        """Commands of the page, but for those that bring the checkout and its packages: both are here."""
        lines = text.replace("createsuperuser", "createsuperuser --no-input").splitlines()
        lines = [line for line in lines if not line.startswith(("git ", "python3 -m venv", ".venv/bin/pip"))]
        admin = {"USERNAME": ADMIN, "PASSWORD": PASSWORD, "EMAIL": "ada@example.org"}
        more |= {f"DJANGO_SUPERUSER_{name}": value for name, value in admin.items()}
        ended = self.machine.shell(self.here("\n".join(lines)), **more)
        assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}\n{self.machine.log()}"
        return ended.stdout

    def manage(self, *words: str) -> str:
        return self.run(f"set -a; . /etc/signalbox.env; set +a\n.venv/bin/python manage.py {' '.join(words)}")

    def start_redis(self) -> None:
        server = shutil.which("redis-server") or str(valkey.binary())
        config = self.write("redis.conf", page.block("Redis", "conf"))
        self.servers.keep([server, str(config)])
        wait_until(lambda: listens(self.ports["6379"]), what="Redis")

    def start_nginx(self) -> None:
        config = self.write("signalbox.conf", page.block("nginx", "nginx"))
        user = "user nobody nogroup;" if os.geteuid() == 0 else ""  # it may not enter the home, as in real life
        spool = self.folder / "spool"
        spool.mkdir(mode=0o777)
        spool.chmod(0o777)
        folders = "".join(
            f"{name}_temp_path {spool}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (main := self.folder / "nginx.conf").write_text(
            f"{user} daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx-error.log;"
            f"events {{}} http {{ include /etc/nginx/mime.types; access_log {self.folder}/access.log; {folders}"
            f"include {config}; }}"
        )
        nginx = program("nginx", "apt-get install nginx-light")
        checked = subprocess.run([nginx, "-t", "-c", str(main), "-p", str(self.folder)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        self.servers.keep([nginx, "-c", str(main), "-p", str(self.folder)])
        wait_until(lambda: listens(self.ports["443"]), what="nginx")

    def browser(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # or a bundle that the environment names would count before ours
        session.verify, session.headers["Host"] = str(self.pem), self.host
        session.headers["Referer"] = f"https://{self.host}/login/"
        session.get(f"{self.base}/login/", timeout=30)
        form = {"username": ADMIN, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["signalbox_csrf"]}
        answer = session.post(f"{self.base}/login/", form, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return session


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def site(servers: Servers) -> Iterator[Site]:
    if not servers.database_url:
        pytest.skip("docs/deployment.md is about PostgreSQL: run with --postgres")
    folder = Path(tempfile.mkdtemp(prefix="signalbox-site-"))
    folder.chmod(0o755)  # others may pass, as through /var/lib and /srv
    made = Site(servers, folder)
    try:
        made.psql(made.here(page.block("PostgreSQL", "sql")))
        made.start_redis()
        yield made
    finally:
        made.machine.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_ready(site: Site) -> None:
    for port in ("8001", "8002"):
        url = f"http://127.0.0.1:{site.ports[port]}/readyz"

        def ready(url: str = url) -> bool:
            try:
                return requests.get(url, timeout=5).status_code == 200
            except requests.RequestException:
                return False

        wait_until(ready, 90, f"{url}\n{site.machine.log()}")


def states(site: Site) -> dict[str, int]:
    with psycopg.connect(site.url) as link:
        return dict(
            link.execute(
                "SELECT state, count(*) FROM tasks_job WHERE kind IN ('noop', 'countdown') GROUP BY state"
            ).fetchall()
        )


def test_the_page_is_followed_and_all_of_it_restarted_without_an_error(site: Site) -> None:
    program("nginx", "apt-get install nginx-light")
    program("curl", "apt-get install curl")
    site.run(page.block("Install", "sh"))
    assert stat.S_IMODE((site.folder / "home").stat().st_mode) == 0o700
    site.start_nginx()
    site.run(page.block("systemd", "sh"))
    wait_ready(site)

    session = site.browser()
    assert session.get(f"{site.base}/", timeout=30).status_code == 200
    css = session.get(f"{site.base}/static/css/base.css", timeout=30)
    assert css.status_code == 200 and "Expires" in css.headers  # from nginx, which may not enter the home
    plain = requests.get(f"http://127.0.0.1:{site.ports['80']}/jobs/", headers={"Host": "jobs.example.org"},
                         allow_redirects=False, timeout=30)  # fmt: skip
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://jobs.example.org/jobs/")
    uploads(site, session)

    token = site.manage("token", ADMIN, "--scope", "submit").strip()
    jobs = Jobs(site.base, site.host, site.pem, token)
    board = Board(site.host, ADMIN, PASSWORD)
    board.start()
    jobs.start()
    wait_until(lambda: (len(jobs.accepted) > 10 and board.counts) or board.wrong, 60, f"traffic\n{site.machine.log()}")
    assert board.wrong == []

    before = {name: process.pid for name, process in site.machine.running.items()}
    site.run(page.block("Upgrade", "sh"))
    after = {name: process.pid for name, process in site.machine.running.items()}
    assert before.keys() == after.keys() and len(before) == 6
    assert not set(before.values()) & set(after.values())  # each of them is another process now
    for name in after:  # once more, each under the eyes of the board
        site.machine.systemctl("restart", name)
        wait_ready(site)
        at = time.monotonic()
        wait_until(lambda at=at: board.is_live_since(at), 20, f"live after the restart of {name}: {board.badges}")
    seen = len(jobs.accepted)
    wait_until(lambda: len(jobs.accepted) > seen + 10, 60, "jobs go on after it")
    accepted = jobs.stop()

    wait_until(
        lambda: states(site).get("succeeded", 0) >= len(accepted), 90, f"the end of all jobs\n{site.machine.log()}"
    )
    wait_until(lambda: {board.counts[state] for state in ("queued", "running")} == {"0"}, 20, "the board shows it")
    board.stop()
    assert jobs.wrong == [] and board.wrong == []
    assert states(site) == {"succeeded": len(accepted)}
    assert board.loads == 0 and board.sockets >= 3, "it connected again when its server ended, and was never reloaded"
    assert "stale" not in {badge for _, badge in board.badges}, board.badges
    assert [line for line in (site.folder / "access.log").read_text().splitlines() if '" 50' in line] == []
    log = site.machine.log()
    assert "Traceback" not in log and " ERROR " not in log and " CRITICAL " not in log, log


def uploads(site: Site, session: requests.Session) -> None:
    """More than the 10 MB that nginx would take by default of this page's older form."""
    noise = {f"noise{n}.bin": os.urandom(4_000_000) for n in range(3)}
    form = {"name": "Trip", "csrfmiddlewaretoken": session.cookies["signalbox_csrf"]}
    archive = {"archive": ("photos.zip", zipped(collection_of(2) | noise))}
    address = f"{site.base}/collections/new/"
    session.get(address, timeout=30)  # the ticket for a large body
    answer = session.post(address, form, files=archive, allow_redirects=False, timeout=120)
    assert answer.status_code == 302, answer.text
    headers = {"Authorization": "Token x"}
    refused = requests.post(f"{site.base}/api/v1/jobs/", b"x" * 4_000_001, headers=headers | {"Host": site.host},
                            verify=site.pem, timeout=60)  # fmt: skip
    assert refused.status_code == 413


def test_a_dump_is_restored_and_a_sqlite_database_is_brought_over(site: Site) -> None:
    """As the page says, with the programs that belong to the server."""
    at = "set -a; . /etc/signalbox.env; set +a\n"
    source = f"sqlite:///{site.folder}/old.sqlite3"
    old = at + f"export DATABASE_URL={source}\n"
    site.run(old + ".venv/bin/python manage.py migrate\n.venv/bin/python manage.py createsuperuser")
    fill = (
        "from tasks.engine import lifecycle; from tasks.engine.errors import Failure;"
        "jobs = [lifecycle.submit('noop', {})[0] for _ in range(25)];"
        "lifecycle.succeed(lifecycle.claim(jobs[0].uid, 'w1@here', 1));"
        "lifecycle.fail(lifecycle.claim(jobs[1].uid, 'w1@here', 1), Failure('größer als 😀'))"
    )
    site.run(old + f'.venv/bin/python manage.py shell --no-imports -c "{fill}"')
    site.run(old + page.block("From SQLite to PostgreSQL", "sh"))
    assert states(site) == {"queued": 23, "succeeded": 1, "failed": 1}
    show = f"from django.contrib.auth import get_user_model as m; print(m().objects.get().check_password('{PASSWORD}'))"
    assert site.run(at + f'.venv/bin/python manage.py shell --no-imports -c "{show}"').strip() == "True"
    site.manage("submit", "noop")  # a sequence that stayed behind would give an id twice

    site.run(at + page.block("Backup and restore", "sh", 0))
    site.psql(f"DROP DATABASE {site.name} WITH (FORCE);")
    site.psql(site.here(page.block("PostgreSQL", "sql")).splitlines()[1])
    site.run(at + page.block("Backup and restore", "sh", 1))
    assert states(site) == {"queued": 24, "succeeded": 1, "failed": 1}
    assert site.manage("migrate", "--check") is not None
    site.manage("submit", "noop")


def test_pgbouncer_in_transaction_mode(site: Site) -> None:
    """Nothing of a session is left for the next client, and jobs run."""
    pgbouncer = program("pgbouncer", "apt-get install pgbouncer")
    site.run(page.block("Install", "sh"))
    (site.folder / "userlist.txt").write_text(f'"{site.name}" "{site.password}"\n')
    (site.folder / "userlist.txt").chmod(0o644)
    config = site.write("pgbouncer.ini", page.block("Behind pgbouncer", "ini"))
    as_root = os.geteuid() == 0
    options = {"user": "nobody", "extra_groups": []} if as_root else {}
    site.servers.keep([pgbouncer, str(config)], **options)
    wait_until(lambda: listens(site.ports["6432"]), what="pgbouncer")
    pooled = site.url.replace(f":{site.postgres_port}/", f":{site.ports['6432']}/")
    env = site.folder / "signalbox.env"
    direct = env.read_text()
    env.write_text(direct.replace(site.url, pooled) + "SIGNALBOX_PREPARE=false\n")
    site.machine.systemctl("start", "signalbox-worker@1", "signalbox-worker@2", "signalbox-beat@1")
    env.write_text(direct.replace(site.url, f"{pooled}_web") + "SIGNALBOX_PREPARE=false\n")
    site.machine.systemctl("start", f"signalbox-web@{site.ports['8001']}", f"signalbox-web@{site.ports['8002']}")
    wait_ready(site)

    token = site.manage("token", ADMIN, "--scope", "manage").strip()
    headers = {"Host": "jobs.example.org", "Authorization": f"Token {token}", "X-Forwarded-Proto": "https"}
    for n in range(60):
        base = f"http://127.0.0.1:{site.ports['8001' if n % 2 else '8002']}/api/v1/"
        answer = requests.post(f"{base}jobs/", json={"kind": "noop"}, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        assert requests.get(f"{base}stats/?period=1h", headers=headers, timeout=30).status_code == 200
    wait_until(lambda: states(site) == {"succeeded": 60}, 60, f"the jobs\n{site.machine.log()}")

    with psycopg.connect(site.url, autocommit=True) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE tasks_job IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        answer = requests.post(f"{base}jobs/", json={"kind": "noop"}, headers=headers, timeout=30)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert time.monotonic() - began < 8
        cursor.execute("ROLLBACK")
    for database, lock in ((pooled, "0"), (f"{pooled}_web", "2s")):
        for _ in range(40):
            with psycopg.connect(database, autocommit=True, prepare_threshold=None) as link:
                assert link.execute("SHOW statement_timeout").fetchone() == ("0",)
                assert link.execute("SHOW lock_timeout").fetchone() == (lock,)
    log = site.machine.log()
    assert not re.search(r"prepared statement .* (exists|does not)|cursor .* does not exist", log), log
