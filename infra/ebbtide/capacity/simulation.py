"""A consumer under a load: queue, workers, pods, metrics and the autoscaler, sync by sync.

Between two syncs nothing changes but the queue, so the kernel runs alone; everything else happens at a sync, or at a
poll of KEDA's that sets the number of pods.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from random import Random

from ebbtide.capacity.clock import MICROSECONDS, Beat, Instant, instants
from ebbtide.capacity.deciding import Deciders
from ebbtide.capacity.kernel import Kernel, PureKernel
from ebbtide.capacity.model import Drain, Result, Row, Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod
from ebbtide.capacity.queue import NEVER_US, Queue
from ebbtide.capacity.signals import State
from ebbtide.capacity.trace import LONGEST_RUN_US, Chunk, TraceError
from ebbtide.capacity.workers import SLOT_BITS, Workers

Progress = Callable[[int], None]
"""Called with the simulated seconds at every sync."""


def simulate(
    scenario: Scenario,
    load: Iterable[Chunk],
    kernel: Kernel | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a load to its end, and on until all of it is done and the last pod has gone back to the minimum.

    What cannot be done is left: without pods, or where workers are killed so often that twice the time it takes is not
    enough. Raises TraceError for a load without messages and ValueError for a consumer without a worker.
    """
    if scenario.processes < 1 or (scenario.hpa is None and scenario.start_replicas < 1):
        raise ValueError("has no worker: a backlog would only grow; give it at least one pod and one process")
    with _uncollected():
        return _Run(scenario, load, kernel or PureKernel()).run(progress)


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
    def __init__(self, scenario: Scenario, load: Iterable[Chunk], kernel: Kernel) -> None:
        self.scenario = scenario
        self.kernel = kernel
        self.random = Random(scenario.seed)  # noqa: S311 - repeatable chance, no secret
        self.fleet = Fleet(scenario, self.random)
        # Who drains kills what is longer than the grace period; a crash kills whatever is in flight.
        never_killed = -1 if scenario.crashes_per_worker_hour else scenario.grace_seconds * MICROSECONDS
        self.workers = Workers(noted_above_us=never_killed)
        self.queue = Queue(load, scenario.redelivery_seconds)
        self.result = Result()
        self.pods_us = 0
        """Of the pods that are gone."""
        self.starting: list[tuple[int, int, SimulatedPod]] = []
        self.draining: list[tuple[int, int, SimulatedPod]] = []
        self.last_words: list[tuple[int, bool]] = []
        """Messages in flight of draining pods: when each ends, and whether it is killed then."""
        self.killed = 0
        self.unworked_us = 0
        """Of the started messages, what no worker did or will do that counts as the consumer's: it was killed, or it
        is a draining pod's."""
        self.worker_us = 0
        self.deciders = Deciders(scenario, scenario.hpa) if scenario.hpa else None
        self.rates = self.deciders is not None and self.deciders.looks_at_cpu
        self.now = self.synced = 0
        self.wanted = scenario.start_replicas
        self.moved_us = 0
        """When there was last something to do, or another number of pods."""
        self.longest_us = 0
        self.rotations = 0

    # The loop.

    def run(self, progress: Progress | None) -> Result:
        self.queue.read_until(1)
        if not self.queue.arrived:
            raise TraceError("the load has no message; give at least one arrival")
        step = self.scenario.sync_seconds * MICROSECONDS
        beginning, now = self._find_beginning(step)
        for _ in range(self.scenario.start_replicas):
            self._begin(self.fleet.start_pod(now, warm=True), now)
        self.now = self.synced = self.fleet.looked_us = now
        ahead = self.deciders.instants(now, step) if self.deciders else instants(Beat(now + step, step))
        if self.deciders is not None:
            self.deciders.begin(now, self.scenario.start_replicas * self.scenario.processes)
            self.deciders.metrics.record(self._state(now))
        if now < 0:
            load, self.queue = self.queue, Queue([beginning], self.scenario.redelivery_seconds)
            while self.now < 0:
                self._step(next(ahead))
            self._begin_anew(load)
        self._note_peaks()
        while True:
            instant = next(ahead)
            state = self._step(instant)
            if not instant.syncs:
                continue
            if progress is not None:
                progress(self.now // MICROSECONDS)
            if self._is_over(self.now, state):
                return self._close(self.now)

    def _step(self, instant: Instant) -> State:
        """Every instant looks at the messages. Pods that have gone, nodes, and workers that crash or are made anew are
        seen to at syncs, however many polls there are between them."""
        now, passed = instant.at_us, instant.at_us - self.now
        self.now = now
        self._take_on(now)
        self._advance(now)
        if self.rates:
            self._count_worker_time(now, passed)
        state = self._state(now)
        if self.deciders is not None:
            self.deciders.metrics.record(state)
            if instant.polls:
                self._poll(self.deciders, state)
        if instant.syncs:
            since, self.synced = self.synced, now
            self._finish_drains(now)
            self._sync(state)
            self._interrupt_workers(now, now - since)
        return state

    def _find_beginning(self, step: int) -> tuple[Chunk, int]:
        """The load's beginning as the warm-up plays it, before time zero, and when that begins."""
        begin = -(round(self.scenario.warm_up_seconds * MICROSECONDS) // step * step)
        self.queue.read_until(-4 * begin)
        if self.queue.last_arrival_us < -4 * begin:
            begin = 0
        arrivals, durations = self.queue.beginning(-begin)
        return (array("q", (arrival + begin for arrival in arrivals)), durations), begin

    def _begin_anew(self, load: Queue) -> None:
        """Time zero after a warm-up: pods, what workers hold and what the autoscaler remembers stay; what still waits
        is gone, since the load brings it again."""
        warm, self.queue = self.queue, load
        self.kernel.finish(warm.cursor.histogram)
        self.workers.forget_booted(0)
        unfree = self.kernel.count_unfree(self.workers, 0)
        load.returned = warm.returned
        load.cursor.started = self.workers.in_flight(0, unfree) + len(self.last_words)
        load.cursor.work_us = warm.cursor.work_us
        # Who is to be killed is in flight, and known to come back.
        killed = sum(killed for _, killed in self.last_words)
        self.result = Result(carried=load.cursor.started + len(load.returned) - killed)
        self.pods_us = self.killed = self.rotations = self.fleet.nodes_us = 0

    def _is_over(self, now: int, state: State) -> bool:
        queue = self.queue
        if now <= queue.last_arrival_us or not queue.exhausted:
            return False
        deciders = self.deciders
        if state.waiting or state.in_flight or queue.returned:
            self.moved_us = now
            nobody_acts = deciders is not None and deciders.paused
            return (nobody_acts and not self.draining) or now >= self._longest_us()
        at_rest = deciders is None or self.wanted <= deciders.fewest or now - self.moved_us > deciders.memory_us
        return (at_rest and not self.draining) or now >= LONGEST_RUN_US

    def _longest_us(self) -> int:
        """When to give up: twice the load, and twice the time that one pod needs for what is left of it now."""
        if not self.longest_us:
            left = sum(duration for _, duration in self.queue.unstarted())
            twice = 2 * (self.queue.last_arrival_us + left // self.scenario.processes) + 3600 * MICROSECONDS
            self.longest_us = min(twice, LONGEST_RUN_US)
        return self.longest_us

    def _close(self, now: int) -> Result:
        result, queue = self.result, self.queue
        result.waits = queue.cursor.histogram
        self.kernel.finish(result.waits)
        result.messages = queue.arrived
        result.left = queue.arrived + result.carried - result.rows[-1].done
        result.done = queue.arrived - result.left
        if result.left:
            for arrival, _ in queue.unstarted():
                if 0 <= arrival < now:
                    result.waits.add(now - arrival)
        living = sum(now - max(pod.created_us, 0) for pod in self.fleet.pods)
        going = sum(ended - max(pod.created_us, 0) for ended, _, pod in self.draining)
        result.pod_seconds = (self.pods_us + living + going) / MICROSECONDS
        result.node_seconds = self.fleet.nodes_us / MICROSECONDS
        result.horizon_seconds = now // MICROSECONDS
        return result

    # Messages.

    def _advance(self, now: int) -> None:
        """Start everything that starts before `now`, in order, returned messages included."""
        queue, workers, cursor = self.queue, self.workers, self.queue.cursor
        queue.read_until(now)
        while True:
            returned = queue.next_return_us()
            if returned >= now:
                returned = NEVER_US
            queue.limit_to(returned)
            if not self.kernel.run(cursor, workers, now):
                break
            # Arrivals before a returned message may go on in the next chunk.
            if cursor.limit == len(cursor.arrivals) and queue.next_chunk():
                continue
            if returned == NEVER_US or not workers.heap or workers.heap[0] >> SLOT_BITS >= now:
                break
            queue.start_returned(workers)
        workers.forget_booted(now)

    def _state(self, now: int) -> State:
        workers, queue = self.workers, self.queue
        in_flight = workers.in_flight(now, self.kernel.count_unfree(workers, now))
        if self.last_words:
            in_flight += sum(end > now for end, _ in self.last_words)
        busy_us = 0
        if self.rates:
            left_us = workers.in_flight_us(now, self.kernel.unfree_us(workers, now))
            busy_us = queue.cursor.work_us - left_us - self.unworked_us
        consuming, returning = self.fleet.consuming(now), queue.returning(now)
        return State(now, queue.waiting(now), in_flight, consuming, returning, busy_us, self.worker_us)

    def _give_back(self, at: int, slot: int, end: int) -> None:
        self.queue.give_back(at, self.workers.arrivals[slot], self.workers.durations[slot], end)

    # Pods.

    def _begin(self, pod: SimulatedPod, now: int) -> None:
        """A pod is to take messages from `consuming_us` on."""
        self.workers.reserve(self.fleet.next_slot)
        if pod.consuming_us <= now:
            self.workers.add(pod)
        else:
            heappush(self.starting, (pod.consuming_us, pod.number, pod))

    def _take_on(self, now: int) -> None:
        """Pods that begin to consume before `now`: their workers are free from then on."""
        while self.starting and self.starting[0][0] < now:
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
            self.unworked_us += end - now
            if killed:
                drains[number].cut_off += 1
                self._give_back(deadline, slot, end)
            last = min(end, deadline)
            self.last_words.append((last, killed))
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
            self.pods_us += ended - max(pod.created_us, 0)
        if self.last_words:
            self.killed += sum(killed for end, killed in self.last_words if end <= now)
            self.last_words = [entry for entry in self.last_words if entry[0] > now]
        self.fleet.remove_empty_nodes(now)

    def _count_worker_time(self, now: int, step: int) -> None:
        """How long workers have been there since the last instant, which changed what there is of them."""
        settling = self.fleet.settling
        there = (len(self.fleet.pods) - len(settling)) * step
        there += sum(now - max(pod.consuming_us, now - step) for pod in settling if pod.consuming_us < now)
        self.worker_us += self.scenario.processes * there

    def _note_peaks(self) -> None:
        """Pods are made at a sync or a poll, so there are never more than right after one."""
        result = self.result
        result.peak_replicas = max(result.peak_replicas, self.wanted)
        result.peak_pods = max(result.peak_pods, len(self.fleet.pods) + len(self.draining))

    def _interrupt_workers(self, now: int, step: int) -> None:
        """Workers that are made anew (message limit) or crash, charged at the end of the interval."""
        scenario, workers = self.scenario, self.workers
        boot = round(scenario.worker_boot_seconds * MICROSECONDS)
        if scenario.message_limit and len(workers):
            due = self.queue.cursor.started // scenario.message_limit
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
            held = workers.crash(int(self.random.random() * len(workers)), boot, now)
            if held is not None:
                slot, end = held
                self._give_back(now, slot, end)
                self.unworked_us += end - now
                self.killed += 1
                self.result.crashed += 1
        workers.sort()

    # The autoscaler.

    def _poll(self, deciders: Deciders, state: State) -> None:
        verdict = deciders.poll(self.wanted, self.fleet, state.at_us)
        if verdict is not None:
            self._finish_drains(state.at_us)
            done = self._done(state)
            self._scale(verdict.replicas, state.at_us)
            self._note_peaks()
            self._report(state, verdict.reason, done)

    def _sync(self, state: State) -> None:
        now, reason, done = state.at_us, "the number of pods is fixed", self._done(state)
        if self.deciders is not None:
            wanted, reason = self.deciders.sync(self.wanted, self.fleet, now)
            self._scale(wanted, now)
            if self.scenario.deletion_cost == "messagesInHand":
                self.fleet.write_costs(self.workers.busy(now))
        self._note_peaks()
        self._report(state, reason, done)

    def _done(self, state: State) -> int:
        """Messages that have been handled to their end; asked before pods are told to go, who may be killed at once."""
        return self.queue.cursor.started - state.in_flight - self.killed

    def _report(self, state: State, reason: str, done: int) -> None:
        result, now = self.result, state.at_us
        oldest = (now - self.queue.oldest_us(now)) / MICROSECONDS if state.waiting else 0.0
        result.peak_waiting = max(result.peak_waiting, state.waiting)
        result.oldest_seconds = max(result.oldest_seconds, oldest)
        result.rows.append(
            Row(
                now // MICROSECONDS,
                self.wanted,
                state.consuming,
                len(self.draining),
                state.waiting,
                state.in_flight,
                oldest,
                reason,
                done,
                state.returning,
            )
        )

    def _scale(self, desired: int, now: int) -> None:
        if desired == self.wanted:
            return
        self.result.changes += 1
        self.moved_us = now
        for _ in range(desired - self.wanted):
            self._begin(self.fleet.start_pod(now), now)
        if desired < self.wanted:
            self._stop(self.fleet.choose_victims(self.wanted - desired, now), now)
            # Who holds nothing is gone at once.
            self._finish_drains(now)
        self.wanted = desired
