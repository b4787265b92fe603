"""A small shop to simulate: one consumer, an autoscaler on its backlog, and loads whose outcome fits on paper."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.commands import run_here

STACK = """\
config:
  ebbtide:cluster: {kind: existing, kubernetesVersion: "1.34"}
  ebbtide:consumers:
    mail:
      image: registry.example/consumers/mail:1.0.0
      worker: {kind: symfonyMessenger, receivers: [mail], processes: 4}
      shutdown: {longestMessage: 20s}
      autoscaling:
        kind: hpa
        minReplicas: 1
        maxReplicas: 4
        metrics: [{kind: external, metric: mail_backlog, targetAverageValue: 8}]
"""
PROFILE = """\
messagesPerDay: 2000
durations: {p50: 2s, max: 20s}
signals: {mail_backlog: backlog}
"""
BACKLOG = ("--signal", "mail_backlog=backlog")
ONE_WORKER = ("--set", "autoscaling={kind: fixed, replicas: 1}", "--set", "processes=1")


class Shop:
    """A project on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "stacks").mkdir()
        (root / "Pulumi.yaml").write_text("name: shop\nstackConfigDir: stacks\n")
        (root / "stacks" / "Pulumi.dev.yaml").write_text(STACK)

    def write_load(self, messages: Sequence[tuple[float, float]], name: str = "mail.csv") -> Path:
        """A table of arrivals and durations, in seconds."""
        return self.write(name, "arrival,duration\n" + "".join(f"{at},{took}\n" for at, took in messages))

    def write(self, name: str, text: str | bytes) -> Path:
        """Any file of the project."""
        file = self.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def process(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`ebbtide simulate --stack dev` as a process of its own, as a shell starts it."""
        command = [sys.executable, "-W", "error", "-m", "ebbtide", "simulate", "--stack", "dev", *arguments]
        return subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same to its end: for what starts processes itself."""
        process = self.process(*arguments)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())


class Simulate:
    """`ebbtide simulate` without a process for each."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.command("--stack", "dev", *arguments)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_here("simulate", *arguments, cwd=self._shop.root)
