"""What a drain does to handlers of different kinds: Symfony's workers get a signal, and so do their handlers."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import machine
from tests.runtime.lab.application import messages, writable
from tests.runtime.lab.promises import assert_a_clean_end, assert_nothing_was_lost
from tests.runtime.lab.subjects import WORKER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.runtime.lab.application import Message
    from tests.runtime.lab.container import Pod
    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
WORKERS = 6


def assert_handlers_are_not_disturbed(scene: Scene, pod: Pod, load: list[Message]) -> None:
    """Deleted with all workers in the middle of a message of two seconds or more, the pod finishes every one."""
    scene.busy(load, pod, workers=WORKERS)
    time.sleep(0.5)

    deletion = pod.delete(BUDGET.grace)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    short = [one for one in scene.account().handlings if (one.ended_at or 0) - one.started_at < 2]
    assert not short, f"cut short by the signal: {short[:2]}"


@pytest.mark.parametrize("how", ["wait", "shell", "database"])
def test_a_signal_does_not_disturb_handlers_that_loop_shell_out_or_query(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    scene = open_scene("postgresql" if how == "database" else "redis")
    pod = scene.ours(WORKERS, BUDGET)
    assert_handlers_are_not_disturbed(scene, pod, messages(seed=14, number=24, least=2, most=3, how=how))


def test_a_signal_does_not_disturb_a_handler_that_waits_for_a_service(
    open_scene: Callable[..., Scene],
    curl_extension: Path,
    slow_service: str,
) -> None:
    scene = open_scene("redis")
    pod = scene.ours(WORKERS, BUDGET, {"SERVICE_URL": slow_service, "PHP_INI_SCAN_DIR": ":/opt/curl"})
    pod.volumes["/opt/curl"] = curl_extension
    assert_handlers_are_not_disturbed(scene, pod, messages(seed=24, number=24, least=2, most=3, how="curl"))


@pytest.fixture
def curl_extension(tmp_path: Path, packages: Callable[[tuple[str, ...]], None]) -> Path:
    """PHP's curl, for one pod only: installed, it would be loaded into every worker that is measured elsewhere."""
    packages((*machine.FAST, "libcurl4"))
    version = subprocess.run(
        ["php", "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"], check=True, capture_output=True, text=True
    ).stdout
    subprocess.run(["apt-get", "-q", "download", f"php{version}-curl"], check=True, cwd=tmp_path, capture_output=True)
    (package,) = tmp_path.glob("*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(tmp_path / "package")], check=True)
    (library,) = tmp_path.glob("package/usr/lib/php/*/curl.so")
    directory = writable(tmp_path / "curl")
    shutil.copy(library, directory)
    (directory / "curl.ini").write_text("extension=/opt/curl/curl.so\n")
    tmp_path.chmod(0o755)
    return directory


class SlowService(BaseHTTPRequestHandler):
    """Answers when the seconds that were asked for are over."""

    def do_GET(self) -> None:
        time.sleep(float(self.path.partition("seconds=")[2]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow_service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowService) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("how", ["sleep", "select"])
def test_a_stop_file_alone_does_not_disturb_handlers_that_a_signal_would(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    scene = open_scene("redis")
    scene.send(messages(seed=15, number=36, least=2, most=3, how=how))
    untold = {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "10"}
    pod = scene.ours(WORKERS, BUDGET, untold, arguments=(*WORKER, "--limit=1")).start()
    scene.wait_for_messages_in_flight(WORKERS)
    time.sleep(0.5)

    deletion = pod.delete(BUDGET.grace)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    short = [one for one in scene.account().handlings if (one.ended_at or 0) - one.started_at < 2]
    assert not short, f"cut short: {short[:2]}"


@pytest.mark.parametrize("how", ["sleep", "select"])
def test_a_signal_is_seen_to_disturb_handlers_that_sleep_once_or_select(
    open_scene: Callable[..., Scene],
    how: str,
) -> None:
    """Why EBBTIDE_DRAIN=stopFile exists. Should PHP ever stop doing this, the documentation must change."""
    scene = open_scene("redis")
    pod = scene.ours(WORKERS, BUDGET)
    scene.busy(messages(seed=16, number=6, least=10, most=10, how=how), pod, workers=WORKERS)
    time.sleep(0.5)

    pod.delete(BUDGET.grace)

    disturbed = [
        one
        for one in scene.account().handlings
        if one.failed is not None or (one.ended_at is not None and one.ended_at - one.started_at < 9)
    ]
    assert len(disturbed) == WORKERS, scene.account().handlings
