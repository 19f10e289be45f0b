"""What goes on while a deployment is restarted: jobs that keep coming."""

import threading
from pathlib import Path

import requests


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
