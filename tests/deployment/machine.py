"""A machine with the parts of systemd that docs/deployment.md rests on: units with instances, and ``systemctl``."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tests.deployment import page
from tests.support.processes import ROOT
from tests.support.servers import Servers

SHIM = """#!{python}
import socket, sys
with socket.create_connection(("127.0.0.1", {port}), 120) as link:
    link.sendall("\\n".join(sys.argv[1:]).encode())
    link.shutdown(socket.SHUT_WR)
    sys.exit(int(link.makefile().read() or 1))
"""


class Machine:
    """Starts, stops and restarts instances of units as systemd would, when ``systemctl`` on its PATH says so."""

    def __init__(self, servers: Servers, folder: Path, units: dict[str, dict[str, str]], plain: dict[str, str]) -> None:
        self.servers, self.folder, self.units, self.plain = servers, folder, units, plain
        self.running: dict[str, subprocess.Popen] = {}
        self._door = socket.create_server(("127.0.0.1", 0))
        (folder / "bin").mkdir()
        shim = folder / "bin" / "systemctl"
        shim.write_text(SHIM.format(python=sys.executable, port=self._door.getsockname()[1]))
        shim.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._door.accept()
            except OSError:
                return
            with link:
                words = link.makefile().read().split("\n")
                try:
                    self.systemctl(*words)
                    link.sendall(b"0")
                except Exception as error:
                    print(f"systemctl {words}: {error!r}", file=sys.stderr)
                    link.sendall(b"1")

    def systemctl(self, verb: str, *words: str) -> None:
        names = [word for word in words if not word.startswith("--")]
        for name in names:
            if verb in ("restart", "stop"):
                self.stop(name)
            if verb in ("restart", "start", "enable"):
                self.start(name)
        if verb not in ("restart", "stop", "start", "enable", "daemon-reload"):
            raise ValueError(f"there is no systemctl {verb} here")

    def start(self, name: str) -> None:
        template, _, instance = name.partition("@")
        unit = self.units[f"{template}@"]
        command = unit["ExecStart"].replace("%%", "\0").replace("%i", instance).replace("\0", "%")
        environment = self.plain | page.environment(Path(unit["EnvironmentFile"]))
        with open(self.log_file(name), "ab") as log:
            self.running[name] = subprocess.Popen(
                shlex.split(command), cwd=unit["WorkingDirectory"], env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, umask=int(unit["UMask"], 8),
            )  # fmt: skip
        self.servers.watchdog.watch(self.running[name].pid)

    def stop(self, name: str) -> None:
        process, unit = self.running.pop(name), self.units[f"{name.partition('@')[0]}@"]
        if unit.get("KillMode") == "mixed":
            process.send_signal(signal.SIGTERM)
        else:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(int(unit["TimeoutStopSec"]))
        finally:  # whoever is left in the group is ended, whatever the unit says
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            self.servers.watchdog.forget(process.pid)

    def log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')}" for path in self.folder.glob("*.log"))

    def shell(self, text: str, **more: str) -> subprocess.CompletedProcess:
        """Commands of the page, as a POSIX shell runs them."""
        environment = self.plain | {"PATH": f"{self.folder / 'bin'}:{self.plain['PATH']}"} | more
        return subprocess.run(
            ["sh", "-eu"],
            input=text,
            env=environment,
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
            timeout=240,
        )

    def close(self) -> None:
        self._door.close()
        for name in list(self.running):
            try:
                self.stop(name)
            except subprocess.TimeoutExpired:
                pass
