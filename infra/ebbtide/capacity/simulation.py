"""A consumer under a load: queues, workers, pods, metrics and the autoscaler, sync by sync.

Between two syncs nothing changes but the queue, so the kernel runs alone; everything else happens at a sync.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from random import Random

from ebbtide.capacity.histogram import MICROSECONDS
from ebbtide.capacity.hpa import Controller, Decision, History, Metric, PodCounts, Scale
from ebbtide.capacity.kernel import Kernel, PureKernel, start_one
from ebbtide.capacity.model import Drain, Result, Row, Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod
from ebbtide.capacity.queue import NEVER_US, Queue
from ebbtide.capacity.signals import Metrics, State
from ebbtide.capacity.trace import Chunk, TraceError
from ebbtide.capacity.workers import SLOT_BITS, SLOT_MASK, Workers

Progress = Callable[[int], None]
"""Called with the simulated seconds at every sync."""


def simulate(
    scenario: Scenario,
    load: Iterable[Chunk] | Mapping[str, Iterable[Chunk]],
    kernel: Kernel | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a load to its end, and on until the queue is empty, at most as long again.

    Several loads by name are several queues: a free worker takes from the first that has a message, as
    `messenger:consume first second` does. The kernel is for one queue; several take 2 us a message.

    Raises TraceError for a load without messages and ValueError for a consumer without a worker.
    """
    if scenario.processes < 1 or (scenario.hpa is None and scenario.start_replicas < 1):
        raise ValueError("has no worker: a backlog would only grow; give it at least one pod and one process")
    loads = load if isinstance(load, Mapping) else {"queue": load}
    with _uncollected():
        return _Run(scenario, loads, kernel or PureKernel()).run(progress)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles, which a run makes none of: it would walk through the million steps of the
    histogram again and again, a twentieth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Run:
    def __init__(self, scenario: Scenario, loads: Mapping[str, Iterable[Chunk]], kernel: Kernel) -> None:
        self.scenario = scenario
        self.kernel = kernel
        self.random = Random(scenario.seed)  # noqa: S311 - repeatable chance, no secret
        self.fleet = Fleet(scenario, self.random)
        # Who drains kills what is longer than the grace period; a crash kills whatever is in hand.
        never_killed = -1 if scenario.crashes_per_worker_hour else scenario.grace_seconds * MICROSECONDS
        self.workers = Workers(noted_above_us=never_killed)
        self.queues = [Queue(name, load, scenario.redelivery_seconds) for name, load in loads.items()]
        self.result = Result()
        self.starting: list[tuple[int, int, SimulatedPod]] = []
        self.draining: list[tuple[int, int, SimulatedPod]] = []
        self.last_words: list[tuple[int, int, bool]] = []
        """Messages in hand of draining pods: when each ends, its queue, and whether it is killed then."""
        self.killed = 0
        self.controller = Controller(scenario.hpa) if scenario.hpa else None
        self.metrics = None
        if self.controller is not None:
            self.metrics = Metrics(scenario, self.controller.flags, tuple(queue.name for queue in self.queues))
        self.history = History()
        self.wanted = scenario.start_replicas
        self.rotations = 0

    # The loop.

    def run(self, progress: Progress | None) -> Result:
        for queue in self.queues:
            queue.read_until(1)
        if not any(queue.arrived for queue in self.queues):
            raise TraceError("the load has no message; give at least one arrival")
        for _ in range(self.scenario.start_replicas):
            self._begin(self.fleet.start_pod(0, warm=True), 0)
        step = self.scenario.sync_seconds * MICROSECONDS
        now = 0
        if self.metrics is not None:
            self.metrics.record(self._state(now))
        while True:
            now += step
            self._advance(now)
            self._finish_drains(now)
            self._account(step)
            state = self._sync(now)
            self._interrupt_workers(now, step)
            self._take_on(now)
            if progress is not None:
                progress(now // MICROSECONDS)
            if self._over(now, state):
                break
        return self._close(now)

    def _over(self, now: int, state: State) -> bool:
        last_arrival = max(queue.last_arrival_us for queue in self.queues)
        if now < last_arrival or not all(queue.exhausted for queue in self.queues):
            return False
        idle = not sum(state.waiting) and not sum(state.in_hand) and not any(q.unfinished() for q in self.queues)
        return idle or now >= 2 * last_arrival + 3600 * MICROSECONDS

    def _close(self, now: int) -> Result:
        result = self.result
        if len(self.queues) == 1:
            result.waits = self.queues[0].cursor.histogram
            self.kernel.finish(result.waits)
        else:
            result.queues = {queue.name: queue.cursor.histogram for queue in self.queues}
            for histogram in result.queues.values():
                result.waits.merge(histogram)
        result.messages = sum(queue.arrived for queue in self.queues)
        result.done = result.rows[-1].done
        result.left = result.messages - result.done
        result.horizon_seconds = now // MICROSECONDS
        return result

    # Messages.

    def _advance(self, now: int) -> None:
        """Start everything that starts before `now`, in order, returned messages included."""
        for queue in self.queues:
            queue.read_until(now)
        if len(self.queues) > 1:
            self._advance_several(now)
        else:
            self._advance_one(self.queues[0], now)
        self.workers.forget_booted(now)

    def _advance_one(self, queue: Queue, now: int) -> None:
        workers, cursor = self.workers, queue.cursor
        while True:
            returned = queue.next_return_us()
            if returned >= now:
                returned = NEVER_US
            queue.limit_to(returned)
            if not self.kernel.run(cursor, workers, now):
                return
            # Arrivals before a returned message may go on in the next chunk.
            if cursor.limit == len(cursor.arrivals) and queue.next_chunk():
                continue
            if returned == NEVER_US or not workers.heap or workers.heap[0] >> SLOT_BITS >= now:
                return
            start_one(cursor, workers, *queue.take_returned())

    def _advance_several(self, now: int) -> None:
        workers = self.workers
        while workers.heap and (free := workers.heap[0] >> SLOT_BITS) < now:
            place, head = 0, now
            for candidate, queue in enumerate(self.queues):
                at = queue.head_us()
                if at <= free:
                    place, head = candidate, at
                    break
                if at < head:
                    place, head = candidate, at
            if head >= now:
                return
            workers.queues[workers.heap[0] & SLOT_MASK] = place
            queue = self.queues[place]
            start_one(queue.cursor, workers, *queue.take())

    def _state(self, now: int) -> State:
        waiting = [queue.waiting(now) for queue in self.queues]
        last_words = [place for end, place, _ in self.last_words if end > now]
        if len(self.queues) == 1:
            unfree = self.kernel.count_unfree(self.workers, now)
            in_hand = [self.workers.in_hand(now, unfree) + len(last_words)]
        else:
            held = [self.workers.queues[slot] for slot in self.workers.busy(now)] + last_words
            in_hand = [held.count(place) for place in range(len(self.queues))]
        returning = sum(queue.returning(now) for queue in self.queues)
        return State(now, waiting, in_hand, self.fleet.count(now)[0], returning)

    def _give_back(self, at: int, slot: int) -> None:
        self.queues[self.workers.queues[slot]].give_back(at, self.workers.durations[slot])

    # Pods.

    def _begin(self, pod: SimulatedPod, now: int) -> None:
        """A pod is to take messages from `consuming_us` on."""
        self.workers.reserve(self.fleet.next_slot)
        if pod.consuming_us <= now:
            self.workers.add(pod)
        else:
            heappush(self.starting, (pod.consuming_us, pod.number, pod))

    def _take_on(self, now: int) -> None:
        """Pods that begin to consume before the next sync: their workers are free from then on."""
        edge = now + self.scenario.sync_seconds * MICROSECONDS
        while self.starting and self.starting[0][0] < edge:
            self.workers.add(heappop(self.starting)[2])

    def _stop(self, victims: list[SimulatedPod], now: int) -> None:
        """Tell pods to go: they finish what they hold within the grace period."""
        deadline = now + self.scenario.grace_seconds * MICROSECONDS
        drains = {pod.number: Drain(now // MICROSECONDS, 0.0, 0, 0) for pod in victims}
        self.starting = [entry for entry in self.starting if entry[1] not in drains]
        heapify(self.starting)
        ends = dict.fromkeys(drains, now)
        for pod, slot, end in self.workers.remove(victims, now):
            number, killed = pod.number, end > deadline
            drains[number].messages += 1
            if killed:
                drains[number].cut_off += 1
                self._give_back(deadline, slot)
            last = min(end, deadline)
            self.last_words.append((last, self.workers.queues[slot], killed))
            ends[number] = max(ends[number], last)
        for pod in victims:
            drain = drains[pod.number]
            drain.took_seconds = (ends[pod.number] - now) / MICROSECONDS
            heappush(self.draining, (ends[pod.number], pod.number, pod))
            self.result.cut_off += drain.cut_off
            self.result.drains.append(drain)

    def _finish_drains(self, now: int) -> None:
        while self.draining and self.draining[0][0] <= now:
            ended, _, pod = heappop(self.draining)
            self.fleet.release(pod, ended)
        if self.last_words:
            self.killed += sum(killed for end, _, killed in self.last_words if end <= now)
            self.last_words = [entry for entry in self.last_words if entry[0] > now]
        self.fleet.remove_empty_nodes(now)

    def _account(self, step: int) -> None:
        """Time of pods and nodes, by what there was at the end of the interval."""
        result, seconds = self.result, step / MICROSECONDS
        pods = len(self.fleet.pods) + len(self.draining)
        result.pod_seconds += pods * seconds
        result.node_seconds += len(self.fleet.nodes) * seconds
        result.peak_pods = max(result.peak_pods, pods)

    def _interrupt_workers(self, now: int, step: int) -> None:
        """Workers that are made anew (message limit) or crash, charged at the end of the interval."""
        scenario, workers = self.scenario, self.workers
        boot = round(scenario.worker_boot_seconds * MICROSECONDS)
        if scenario.message_limit and len(workers):
            due = sum(queue.cursor.started for queue in self.queues) // scenario.message_limit
            for _ in range(due - self.rotations):
                workers.renew(int(self.random.random() * len(workers)), boot, now)
            if due > self.rotations:
                workers.sort()
            self.rotations = due
        if scenario.crashes_per_worker_hour and len(workers):
            self._crash(now, step, boot)

    def _crash(self, now: int, step: int, boot: int) -> None:
        workers = self.workers
        expected = self.scenario.crashes_per_worker_hour * len(workers) * step / MICROSECONDS / 3600
        count = int(expected) + (self.random.random() < expected % 1)
        for _ in range(count):
            slot = workers.crash(int(self.random.random() * len(workers)), boot, now)
            if slot is not None:
                self._give_back(now, slot)
                self.killed += 1
                self.result.crashed += 1
        workers.sort()

    # The autoscaler.

    def _sync(self, now: int) -> State:
        state = self._state(now)
        reason = "the number of pods is fixed"
        if self.controller is not None and self.metrics is not None:
            self.metrics.record(state)
            self.fleet.settle(now, self.metrics.settling_us)
            decision = self._decide(self.controller, self.metrics, now)
            reason = explain_decision(decision, self.controller.spec.metrics)
            self._scale(decision.desired, now)
            if self.scenario.deletion_cost == "messagesInHand":
                self.fleet.write_costs(self.workers.busy(now))
        self._report(state, reason)
        return state

    def _report(self, state: State, reason: str) -> None:
        result, now = self.result, state.at_us
        waiting, in_hand = sum(state.waiting), sum(state.in_hand)
        oldest = (now - min(queue.oldest_us(now) for queue in self.queues)) / MICROSECONDS if waiting else 0.0
        result.peak_waiting = max(result.peak_waiting, waiting)
        result.oldest_seconds = max(result.oldest_seconds, oldest)
        result.peak_replicas = max(result.peak_replicas, self.wanted)
        done = sum(queue.cursor.started for queue in self.queues) - in_hand - self.killed
        result.rows.append(
            Row(
                now // MICROSECONDS,
                self.wanted,
                state.consuming,
                len(self.draining),
                waiting,
                in_hand,
                oldest,
                reason,
                done,
                state.returning,
            )
        )

    def _decide(self, controller: Controller, metrics: Metrics, now: int) -> Decision:
        replicas = len(self.fleet.pods)
        counts = PodCounts(replicas, self.fleet.count(now)[1])
        inputs = [metrics.read(metric, self.fleet, now) for metric in controller.spec.metrics]
        return controller.sync(self.history, now, Scale(self.wanted, replicas), counts, inputs)

    def _scale(self, desired: int, now: int) -> None:
        if desired != self.wanted:
            self.result.changes += 1
        for _ in range(desired - self.wanted):
            self._begin(self.fleet.start_pod(now), now)
        if desired < self.wanted:
            self._stop(self.fleet.choose_victims(self.wanted - desired, now), now)
        self.wanted = desired


_LIMITS = {
    "TooManyReplicas": "maxReplicas",
    "TooFewReplicas": "minReplicas",
    "ScaleUpLimit": "the limit on scaling up",
    "ScaleDownLimit": "the limit on scaling down",
}


def explain_decision(decision: Decision, metrics: tuple[Metric, ...]) -> str:
    """One sentence: the metric, the ratio, the proposal, and what window, policy or bound made of it. The words in
    brackets are those of `kubectl describe hpa`."""
    if decision.metric is None:
        if decision.error:
            return f"no metric ({decision.error}): the number stays at {decision.current}"
        return decision.reason or f"stays at {decision.current}"
    metric, ratio = metrics[decision.metric], decision.metrics[decision.metric].ratio
    target = f"{metric.target} %" if metric.target_type == "Utilization" else f"{metric.target / 1000:g}"
    words = [f"{metric.name} is at {ratio:.2f} of its target of {target} and asks for {decision.proposal}"]
    for place, (other, found) in enumerate(zip(metrics, decision.metrics, strict=True)):
        if place != decision.metric:
            asks = "could not be read" if found.outcome == "failed" else f"asks for {found.proposal}"
            words.append(f"{other.name} {asks}")
    if decision.stabilized is not None and decision.stabilized != decision.proposal:
        words.append(f"the stabilization window makes it {decision.stabilized}")
    if decision.limited is not None and decision.limited != decision.stabilized:
        words.append(f"{_LIMITS[decision.limit_reason]} ({decision.limit_reason}) makes it {decision.limited}")
    words.append(f"{decision.current} → {decision.desired}" if decision.rescale else f"stays at {decision.current}")
    return "; ".join(words)
