"""What must hold after a drain, as assertions that say who is hurt."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.runtime.lab.container import Deletion, Pod
    from tests.runtime.lab.scene import Scene

# Workers that were between two messages when the order arrived may still begin one: "at most 3" of 70.
NEW_MESSAGES_ALLOWED = 3
# Looks that something is badly wrong, not measurements: those are in benchmarks/draining/. 70 idle workers end within
# 3 s on a free machine, and within 8 s where it has twenty times as much to do. A pod that does not notice its last
# exit stays until the drain's deadline, which is at least 16 s later in these tests.
SECONDS_TO_NOTICE_THE_LAST_EXIT = 12.0
SECONDS_TO_END_AFTER_THE_LAST_MESSAGE = 30.0


def assert_nothing_was_lost(scene: Scene) -> None:
    """No message was killed, doubled or dropped; call it when no worker of the scene runs any more."""
    account = scene.account()
    scene.settle()
    depth = scene.broker.depth()
    assert not account.killed, f"{len(account.killed)} messages were killed while being handled: {account.killed[:3]}"
    assert not account.failed, f"handlers were disturbed: {account.failed[:3]}"
    assert not account.started_again, f"begun more than once: {sorted(account.started_again)[:5]}"
    assert depth.taken == 0, f"{depth.taken} messages were handled and never acknowledged: they would come again"
    assert len(account.finished) + depth.ready == len(scene.sent), (
        f"of {len(scene.sent)} messages {len(account.finished)} were handled and {depth.ready} wait: the rest is gone"
    )


def assert_a_clean_end(deletion: Deletion, pod: Pod, scene: Scene) -> None:
    """The container ended by itself, soon after its last message, and its log says so."""
    told = f"{deletion}\n{pod.output()}"
    assert not deletion.sigkilled, f"the kubelet had to kill the container: {told}"
    assert deletion.exit_status == 0, f"an orderly drain looks like a crash: {told}"
    last_worker = max((float(event["read_at"]) for event in pod.events("workerEnded")), default=deletion.deleted_at)
    hung = deletion.gone_at - max(last_worker, deletion.deleted_at)
    assert hung < SECONDS_TO_NOTICE_THE_LAST_EXIT, f"a pod without workers hung on for {hung:.1f} s: {told}"
    idle = deletion.gone_at - max(scene.account().last_end, deletion.deleted_at)
    assert idle < SECONDS_TO_END_AFTER_THE_LAST_MESSAGE, f"an empty pod hung on for {idle:.1f} s: {told}"
    ended = pod.events("drainEnded")
    assert len(ended) == 1, f"the log does not say how the drain ended: {told}"
    assert ended[0]["running"] == 0, told


def drain_started(pod: Pod) -> float:
    """When the order to drain reached PID 1 (monotonic seconds)."""
    events = pod.events("drainStarted")
    assert len(events) == 1, f"one drain, one line in the log: {pod.output()}"
    return float(events[0]["read_at"])


def assert_no_new_work(scene: Scene, since: float) -> None:
    new = scene.account().started_after(since)
    assert new <= NEW_MESSAGES_ALLOWED, f"{new} messages were begun by a pod that was told to go"


def assert_another_pod_handles_the_rest(scene: Scene, gone: Pod, stays: Pod, grace_seconds: int) -> None:
    """A pod that is gone began next to nothing after it was told to go. The other, which ends here, did the rest."""
    of_it = [one for one in scene.account().handlings if one.worker.rpartition("-")[0] == gone.name]
    began = [one for one in of_it if one.started_at > drain_started(gone)]
    assert of_it, f"no worker is called after its pod: {gone.name}"
    assert len(began) <= NEW_MESSAGES_ALLOWED, f"a pod that was told to go took new messages: {began}"
    scene.wait_until(lambda: len(scene.account().finished) == len(scene.sent), 240, "the other pod handles the rest")
    assert_a_clean_end(stays.delete(grace_seconds), stays, scene)
    assert_nothing_was_lost(scene)


def assert_only_what_was_in_hand_came_again(scene: Scene, killed: int) -> None:
    """Each message that a kill interrupted is handled once more, by one worker, and none is left."""
    account = scene.account()
    assert len(account.killed) == killed
    assert account.started_again == {one.message for one in account.killed}
    assert not account.handled_twice
    assert not account.overlapping
    assert (scene.broker.depth().ready, scene.broker.depth().taken) == (0, 0)


def outcomes(pod: Pod) -> Counter[str]:
    """How the workers ended, by outcome."""
    return Counter(str(event["outcome"]) for event in pod.events("workerEnded"))
