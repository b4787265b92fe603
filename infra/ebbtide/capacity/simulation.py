"""A consumer under a load: queue, workers, pods, metrics and the autoscaler, sync by sync.

Between two syncs nothing changes but the queue, so the kernel runs alone; everything else happens at a sync.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from random import Random

from ebbtide.capacity.histogram import MICROSECONDS
from ebbtide.capacity.hpa import Controller, Decision, History, PodCounts, PodSamples, Scale
from ebbtide.capacity.hpa.metrics import MetricInput
from ebbtide.capacity.kernel import MAX_SLOTS, SLOT_BITS, SLOT_MASK, Cursor, Kernel, PureKernel, start_one
from ebbtide.capacity.model import Drain, Result, Row, Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod
from ebbtide.capacity.trace import Chunk, TraceError

Progress = Callable[[int], None]
"""Called with the simulated seconds at every sync."""


def simulate(
    scenario: Scenario, load: Iterable[Chunk], kernel: Kernel | None = None, progress: Progress | None = None
) -> Result:
    """Run a load to its end, and on until the queue is empty, at most as long again.

    Raises TraceError for a load without messages and ValueError for a consumer without a worker.
    """
    if scenario.processes < 1 or (scenario.hpa is None and scenario.start_replicas < 1):
        raise ValueError("has no worker: a backlog would only grow; give it at least one pod and one process")
    return _Run(scenario, load, kernel or PureKernel()).run(progress)


class _Run:
    def __init__(self, scenario: Scenario, load: Iterable[Chunk], kernel: Kernel) -> None:
        self.scenario = scenario
        self.kernel = kernel
        self.random = Random(scenario.seed)  # noqa: S311 - repeatable chance, no secret
        self.fleet = Fleet(scenario, self.random)
        self.result = Result()
        self.cursor = Cursor(histogram=self.result.waits)
        self.load: Iterator[Chunk] = iter(load)
        self.ahead: deque[Chunk] = deque()
        """Chunks that have arrived in part and wait for a worker: 16 bytes a waiting message."""
        self.exhausted = False
        self.arrived_chunks = 0
        """Messages of all chunks before the newest one."""
        self.last_arrival_us = 0
        self.heap: list[int] = []
        self.starting: list[tuple[int, int, SimulatedPod]] = []
        self.draining: list[tuple[int, int, SimulatedPod]] = []
        self.draining_messages: list[int] = []
        """When each message in hand of a draining pod ends."""
        self.slot_durations: list[int] = []
        self.given_back: list[tuple[int, int]] = []
        """Messages of killed workers: when they can be taken again, and how long they take."""
        self.given_back_count = 0
        self.controller = Controller(scenario.hpa) if scenario.hpa else None
        self.history = History()
        self.samples: deque[tuple[int, int, int, int, int]] = deque()
        self.wanted = scenario.start_replicas
        self.limit_rotations = 0

    # The loop.

    def run(self, progress: Progress | None) -> Result:
        if not self._read_chunk():
            raise TraceError("the load has no message; give at least one arrival")
        for _ in range(self.scenario.start_replicas):
            self._begin(self.fleet.start_pod(0, warm=True), 0)
        step = self.scenario.sync_seconds * MICROSECONDS
        now = 0
        while True:
            now += step
            self._advance(now)
            self._finish_drains(now)
            self._account(step)
            self._interrupt_workers(now, step)
            self._sync(now)
            self._take_on(now)
            if progress is not None:
                progress(now // MICROSECONDS)
            if self._over(now):
                break
        return self._close(now)

    def _over(self, now: int) -> bool:
        if not self.exhausted or now < self.last_arrival_us:
            return False
        idle = self._waiting(now) == 0 and self._in_flight(now) == 0 and not self.given_back
        return idle or now >= 2 * self.last_arrival_us + 3600 * MICROSECONDS

    def _close(self, now: int) -> Result:
        result = self.result
        self.kernel.finish(result.waits)
        result.messages = self.arrived_chunks
        in_hand = self._in_flight(now)
        result.left = self._waiting(now) + in_hand + len(self.given_back)
        result.done = result.messages - result.left
        result.horizon_seconds = now // MICROSECONDS
        return result

    # Messages.

    def _read_chunk(self) -> bool:
        chunk = next(self.load, None)
        if chunk is None or not len(chunk[0]):
            self.exhausted = True
            return False
        self.ahead.append(chunk)
        self.arrived_chunks += len(chunk[0])
        self.last_arrival_us = chunk[0][-1]
        return True

    def _read_until(self, now: int) -> None:
        while not self.exhausted and self.last_arrival_us < now:
            self._read_chunk()

    def _next_chunk(self) -> bool:
        """Put the next chunk under the cursor."""
        if not self.ahead and not self._read_chunk():
            return False
        self.cursor.arrivals, self.cursor.durations = self.ahead.popleft()
        self.cursor.index = 0
        return True

    def _advance(self, now: int) -> None:
        """Start everything that starts before `now`, in the order of arrival, returned messages included."""
        cursor = self.cursor
        self._read_until(now)
        while True:
            returned = self.given_back[0][0] if self.given_back and self.given_back[0][0] < now else None
            cursor.limit = len(cursor.arrivals)
            if returned is not None:
                cursor.limit = bisect_right(cursor.arrivals, returned, cursor.index)
            if not self.kernel.run(cursor, self.heap, self.slot_durations, now):
                return
            if cursor.limit == len(cursor.arrivals):
                # Arrivals before a returned message may go on in the next chunk.
                if self._next_chunk():
                    continue
                if returned is None:
                    return
            if returned is not None and not self._start_returned(now):
                return

    def _start_returned(self, now: int) -> bool:
        if not self.heap or max(self.given_back[0][0], self.heap[0] >> SLOT_BITS) >= now:
            return False
        arrival, duration = heappop(self.given_back)
        start_one(self.cursor, self.heap, self.slot_durations, arrival, duration)
        return True

    def _give_back(self, at: int, duration: int) -> None:
        heappush(self.given_back, (at + round(self.scenario.redelivery_seconds * MICROSECONDS), duration))
        self.given_back_count += 1

    def _waiting(self, now: int) -> int:
        """Messages that have arrived before `now` and were not started, returned ones included."""
        cursor = self.cursor
        waiting = bisect_left(cursor.arrivals, now) - cursor.index
        for arrivals, _ in self.ahead:
            waiting += len(arrivals) if arrivals[-1] < now else bisect_left(arrivals, now)
        return waiting + sum(at < now for at, _ in self.given_back)

    def _in_flight(self, now: int) -> int:
        edge = (now + 1) << SLOT_BITS
        return sum(key >= edge for key in self.heap) + sum(end > now for end in self.draining_messages)

    def _oldest_seconds(self, now: int) -> float:
        cursor = self.cursor
        oldest = now
        if cursor.index < len(cursor.arrivals):
            oldest = cursor.arrivals[cursor.index]
        elif self.ahead:
            oldest = self.ahead[0][0][0]
        return max(0, now - oldest) / MICROSECONDS

    # Pods.

    def _begin(self, pod: SimulatedPod, now: int) -> None:
        """A pod is to take messages from `consuming_us` on."""
        if self.fleet.next_slot > MAX_SLOTS:
            raise ValueError(f"has more than {MAX_SLOTS} workers; lower maxReplicas or processes")
        self.slot_durations.extend([0] * (self.fleet.next_slot - len(self.slot_durations)))
        if pod.consuming_us <= now:
            self._add_slots(pod)
        else:
            heappush(self.starting, (pod.consuming_us, pod.number, pod))

    def _add_slots(self, pod: SimulatedPod) -> None:
        for slot in pod.slots:
            heappush(self.heap, (pod.consuming_us << SLOT_BITS) | slot)

    def _take_on(self, now: int) -> None:
        """Pods that begin to consume before the next sync: their workers are free from then on."""
        edge = now + self.scenario.sync_seconds * MICROSECONDS
        while self.starting and self.starting[0][0] < edge:
            self._add_slots(heappop(self.starting)[2])

    def _stop(self, victims: list[SimulatedPod], now: int) -> None:
        """Tell pods to go: they finish what they hold within the grace period."""
        grace = self.scenario.grace_seconds * MICROSECONDS
        owners = {slot: pod for pod in victims for slot in pod.slots}
        gone = {pod.number for pod in victims}
        self.starting = [entry for entry in self.starting if entry[1] not in gone]
        heapify(self.starting)
        ends = {pod.number: now for pod in victims}
        held = dict.fromkeys(gone, 0)
        cut = dict.fromkeys(gone, 0)
        kept = []
        for key in self.heap:
            slot, free = key & SLOT_MASK, key >> SLOT_BITS
            pod = owners.get(slot)
            if pod is None:
                kept.append(key)
            elif free > now and pod.consuming_us <= now:
                held[pod.number] += 1
                if free > now + grace:
                    cut[pod.number] += 1
                    self._give_back(now + grace, self.slot_durations[slot])
                    free = now + grace
                self.draining_messages.append(free)
                ends[pod.number] = max(ends[pod.number], free)
        self.heap = kept
        heapify(self.heap)
        for pod in victims:
            heappush(self.draining, (ends[pod.number], pod.number, pod))
            took = (ends[pod.number] - now) / MICROSECONDS
            drain = Drain(now // MICROSECONDS, took, held[pod.number], cut[pod.number])
            self.result.cut_off += drain.cut_off
            self.result.drains.append(drain)

    def _finish_drains(self, now: int) -> None:
        while self.draining and self.draining[0][0] <= now:
            ended, _, pod = heappop(self.draining)
            self.fleet.release(pod, ended)
        if self.draining_messages:
            self.draining_messages = [end for end in self.draining_messages if end > now]
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
        scenario = self.scenario
        boot = round(scenario.worker_boot_seconds * MICROSECONDS)
        if scenario.message_limit and self.heap:
            due = self.cursor.started // scenario.message_limit
            for _ in range(min(due - self.limit_rotations, len(self.heap))):
                place = int(self.random.random() * len(self.heap))
                self.heap[place] += boot << SLOT_BITS
            self.limit_rotations = due
            heapify(self.heap)
        if scenario.crashes_per_worker_hour and self.heap:
            self._crash(now, step, boot)

    def _crash(self, now: int, step: int, boot: int) -> None:
        expected = self.scenario.crashes_per_worker_hour * len(self.heap) * step / MICROSECONDS / 3600
        count = int(expected) + (self.random.random() < expected % 1)
        for _ in range(count):
            place = int(self.random.random() * len(self.heap))
            slot, free = self.heap[place] & SLOT_MASK, self.heap[place] >> SLOT_BITS
            if free > now:
                self._give_back(now, self.slot_durations[slot])
                self.result.crashed += 1
            self.heap[place] = ((now + boot) << SLOT_BITS) | slot
        heapify(self.heap)

    # The autoscaler.

    def _sync(self, now: int) -> None:
        waiting, in_flight = self._waiting(now), self._in_flight(now)
        consuming, _ = self.fleet.count(now)
        reason = "the number of pods is fixed"
        if self.controller is not None:
            self.samples.append((now, waiting, in_flight, consuming, len(self.fleet.pods)))
            decision = self._decide(now)
            reason = explain_decision(decision)
            self._scale(decision.desired, now)
        result = self.result
        oldest = self._oldest_seconds(now) if waiting else 0.0
        result.peak_waiting = max(result.peak_waiting, waiting)
        result.oldest_seconds = max(result.oldest_seconds, oldest)
        result.peak_replicas = max(result.peak_replicas, self.wanted)
        result.rows.append(
            Row(now // MICROSECONDS, self.wanted, consuming, len(self.draining), waiting, in_flight, oldest, reason)
        )

    def _decide(self, now: int) -> Decision:
        controller = self.controller
        assert controller is not None  # noqa: S101 - only called with one
        seen = self._seen(now)
        replicas = len(self.fleet.pods)
        _, ready = self.fleet.count(now)
        counts = PodCounts(replicas, ready)
        inputs = [self._metric(metric.source, metric.name, seen, now) for metric in controller.spec.metrics]
        return controller.sync(self.history, now, Scale(self.wanted, replicas), counts, inputs)

    def _seen(self, now: int) -> tuple[int, int, int, int, int]:
        """The newest measurement that is old enough to be visible."""
        edge = now - round(self.scenario.metric_lag_seconds * MICROSECONDS)
        while len(self.samples) > 1 and self.samples[1][0] <= edge:
            self.samples.popleft()
        return self.samples[0]

    def _metric(self, source: str, name: str, seen: tuple[int, int, int, int, int], now: int) -> MetricInput:
        _, waiting, in_flight, consuming, _ = seen
        if source in {"External", "Object"}:
            signal = dict(self.scenario.signals).get(name, "backlog")
            return 1000 * (waiting + in_flight if signal == "backlogAndInFlight" else waiting)
        scenario = self.scenario
        _, ready = self.fleet.count(now)
        unready = len(self.fleet.pods) - ready
        if name == "memory":
            return PodSamples(ready, ready * scenario.memory_bytes * 1000, ready * scenario.memory_bytes * 1000)
        workers = max(1, consuming * scenario.processes)
        busy = min(in_flight, workers)
        per_worker = (busy * scenario.cpu_busy_millicores + (workers - busy) * scenario.cpu_idle_millicores) / workers
        usage = round(ready * scenario.processes * per_worker)
        request = scenario.cpu_request_millicores
        return PodSamples(ready, usage, ready * request, unready=unready, unready_request_milli=unready * request)

    def _scale(self, desired: int, now: int) -> None:
        if desired != self.wanted:
            self.result.changes += 1
        for _ in range(desired - self.wanted):
            self._begin(self.fleet.start_pod(now), now)
        if desired < self.wanted:
            self._stop(self.fleet.choose_victims(self.wanted - desired, now), now)
        self.wanted = desired


def explain_decision(decision: Decision) -> str:
    """One sentence: the metric, the ratio, the proposal, and what window, policy or bound made of it."""
    if decision.error:
        return f"no metric ({decision.error}): the number stays at {decision.current}"
    if decision.metric is None:
        return decision.reason or f"stays at {decision.current}"
    metric = decision.metrics[decision.metric]
    ratio = f"{metric.ratio:.2f} of its target" if metric.ratio is not None else "no ratio"
    words = [f"the metric is at {ratio} and asks for {decision.proposal}"]
    if decision.stabilized is not None and decision.stabilized != decision.proposal:
        words.append(f"the stabilization window makes it {decision.stabilized}")
    if decision.limited is not None and decision.limited != decision.stabilized:
        words.append(f"{decision.limit_reason} makes it {decision.limited}")
    words.append(f"{decision.current} → {decision.desired}" if decision.rescale else f"stays at {decision.current}")
    return "; ".join(words)
