"""The example application from GitHub's call to the end of the handler."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from tests.ports import free_port
from tests.runtime.lab import machine
from tests.runtime.lab.subjects import CONSUMER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.scene import Scene

SECRET = "It's a Secret to Everybody"
BODY = json.dumps({"work": {"seconds": 0.1}}).encode()


def test_a_signed_webhook_is_queued_and_handled_and_a_forged_one_is_not(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    port = free_port()
    server = scene.application.image(("php", "-S", f"127.0.0.1:{port}", "-t", "public"))
    web = scene.pod(server, {"GITHUB_WEBHOOK_SECRET": SECRET}).start()
    scene.wait_until(lambda: any("started" in line.text for line in web.lines), 120, "the web server answers")
    signature = "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()

    assert post(port, {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": "good"}) == 202
    assert post(port, {"X-Hub-Signature-256": signature[:-1] + "x", "X-GitHub-Delivery": "forged"}) == 401
    assert post(port, {"X-GitHub-Delivery": "unsigned"}) == 401
    assert post(port, {"X-Hub-Signature-256": signature}) == 400, "an event without an id cannot be followed"

    assert scene.broker.depth().ready == 1, "exactly the signed event belongs in the queue"
    scene.sent.append("good")
    scene.ours(1, Budget(5)).start()
    scene.wait_until(lambda: scene.account().finished == {"good"}, 120, "the event is handled")


def test_the_class_that_tells_the_image_what_is_in_flight_is_the_images_own() -> None:
    own, copied = (
        path.read_bytes()
        for path in (
            CONSUMER / "php" / "WorkerProgress.php",
            machine.EXAMPLE / "src" / "Ebbtide" / "WorkerProgress.php",
        )
    )
    assert own == copied, "copy consumer/php/WorkerProgress.php into the example again"


def post(port: int, headers: dict[str, str]) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/webhooks/github", BODY, {"X-GitHub-Event": "push", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
