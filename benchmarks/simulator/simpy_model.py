"""The same model in SimPy, in SimPy's own idiom: processes for workers and drains, a store for the queue.

    python simpy_model.py SCENARIO TRACE       prints the figures that ebbtide's are held against, as JSON

What decides is ebbtide's own: the controller, and which pods start where, when, and go first. What happens over time is
SimPy's: arrivals, the queue, workers that take, handle and are made anew, pods that start late and drain, messages that
the grace period cuts off and that come back. Time is in whole microseconds, which SimPy takes as well.

SimPy's own examples know two ways to tell a worker that it is to go, and they give the same figures: it waits for "a
message or the end", as customers of the bank renege (`events`); or it is interrupted, as machines of the machine shop
break down (`interrupts`), which is faster.

One thing differs: here each worker counts its own messages to its limit, which a pod of minutes never reaches; ebbtide
renews a worker by chance after as many messages of all, a tenth of a second each. Chance also falls otherwise where it
decides between equal pods.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections import Counter, deque
from pathlib import Path
from random import Random

import simpy

from ebbtide.capacity.hpa import Controller, History, PodCounts, Scale
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod
from ebbtide.capacity.trace import read_trace

SECOND = 1_000_000
STEP = 10_000
"""Of the histogram of waits."""


class Pod:
    """Workers that start together and are told to go together, by interrupts."""

    def __init__(self, consumer: Consumer, pod: SimulatedPod) -> None:
        self.consumer = consumer
        self.pod = pod
        now = consumer.environment.now
        self.workers = [
            consumer.environment.process(self.work(pod.consuming_us - now)) for _ in range(consumer.scenario.processes)
        ]

    def work(self, boot: int):
        """A worker: boot, then handle one message after the other, and be made anew after so many."""
        consumer, environment = self.consumer, self.consumer.environment
        queue, limit = consumer.queue, consumer.scenario.message_limit
        renewal = round(consumer.scenario.worker_boot_seconds * SECOND)
        while True:
            try:
                yield environment.timeout(boot)
            except simpy.Interrupt:
                return
            for _ in range(limit):
                request = queue.get()
                told_to_go = False
                try:
                    yield request
                except simpy.Interrupt:
                    request.cancel()
                    if not request.triggered:
                        return
                    told_to_go = True
                arrival, duration = request.value
                begun = environment.now
                consumer.note_wait(begun - arrival)
                handling = environment.timeout(duration)
                if not told_to_go:
                    try:
                        yield handling
                        consumer.done += 1
                        continue
                    except simpy.Interrupt:
                        pass
                try:
                    yield handling
                    consumer.done += 1
                except simpy.Interrupt:
                    environment.process(consumer.redeliver(arrival, duration, begun))
                return
            boot = renewal

    def tell(self) -> None:
        """Tell the workers to go."""
        for worker in self.workers:
            worker.interrupt()

    def drain(self):
        """Tell the workers to go, and kill those that have not gone when the grace period ends."""
        consumer, environment = self.consumer, self.consumer.environment
        self.tell()
        gone = environment.all_of(self.workers)
        yield gone | environment.timeout(consumer.scenario.grace_seconds * SECOND)
        for worker in self.workers:
            if worker.is_alive:
                worker.interrupt()
                consumer.cut_off += 1
        consumer.draining -= 1
        consumer.pods_us += environment.now - self.pod.created_us
        consumer.fleet.release(self.pod, environment.now)


class PodWithEvent(Pod):
    """The same, and an event tells them."""

    def __init__(self, consumer: Consumer, pod: SimulatedPod) -> None:
        self.told = consumer.environment.event()
        super().__init__(consumer, pod)

    def work(self, boot: int):
        """As above."""
        consumer, environment, told = self.consumer, self.consumer.environment, self.told
        queue, limit = consumer.queue, consumer.scenario.message_limit
        renewal = round(consumer.scenario.worker_boot_seconds * SECOND)
        while True:
            yield environment.timeout(boot) | told
            for _ in range(limit):
                if told.triggered:
                    return
                request = queue.get()
                yield request | told
                if not request.triggered:
                    request.cancel()
                    return
                arrival, duration = request.value
                begun = environment.now
                consumer.note_wait(begun - arrival)
                try:
                    yield environment.timeout(duration)
                except simpy.Interrupt:
                    environment.process(consumer.redeliver(arrival, duration, begun))
                    return
                consumer.done += 1
            boot = renewal

    def tell(self) -> None:
        """Tell the workers to go."""
        self.told.succeed()


class Consumer:
    """A queue, pods of workers, and an autoscaler on the backlog."""

    def __init__(self, environment: simpy.Environment, scenario: Scenario, kind: type[Pod]) -> None:
        self.environment = environment
        self.kind = kind
        self.scenario = scenario
        self.queue = simpy.Store(environment)
        self.waits: Counter[int] = Counter()
        self.waits_total = self.waits_longest = 0
        self.arrived = self.started = self.done = self.cut_off = self.draining = 0
        self.pods_us = self.peak_replicas = self.peak_waiting = 0
        self.fleet = Fleet(scenario, Random(scenario.seed))
        self.pods: dict[int, Pod] = {}
        for _ in range(scenario.start_replicas):
            self.start_pod(warm=True)

    def start_pod(self, *, warm: bool = False) -> None:
        """Make a pod."""
        pod = self.fleet.start_pod(self.environment.now, warm=warm)
        self.pods[pod.number] = self.kind(self, pod)

    def note_wait(self, wait: int) -> None:
        """Count what a message waited."""
        self.waits[wait // STEP] += 1
        self.waits_total += wait
        self.waits_longest = max(self.waits_longest, wait)
        self.started += 1

    def redeliver(self, arrival: int, duration: int, begun: int):
        """Give a killed message back, later: it has waited since it arrived."""
        self.waits[(begun - arrival) // STEP] -= 1
        self.waits_total -= begun - arrival
        self.started -= 1
        yield self.environment.timeout(round(self.scenario.redelivery_seconds * SECOND))
        self.queue.put((arrival, duration))

    def arrive(self, trace: Path):
        """Put messages into the queue when they arrive."""
        environment, put = self.environment, self.queue.put
        for arrivals, durations in read_trace(trace):
            self.arrived += len(arrivals)
            for arrival, duration in zip(arrivals, durations, strict=True):
                if arrival > environment.now:
                    yield environment.timeout(arrival - environment.now)
                put((arrival, duration))

    def scale(self):
        """The autoscaler's loop. It sees a backlog as old as the metric is."""
        environment, scenario, fleet = self.environment, self.scenario, self.fleet
        controller, history = Controller(scenario.hpa), History()
        seen = deque([(0, 0)])
        while True:
            yield environment.timeout(scenario.sync_seconds * SECOND)
            now, replicas = environment.now, len(fleet.pods)
            fleet.remove_empty_nodes(now)
            seen.append((now, len(self.queue.items)))
            self.peak_waiting = max(self.peak_waiting, len(self.queue.items))
            while len(seen) > 1 and seen[1][0] <= now - scenario.metric_lag_seconds * SECOND:
                seen.popleft()
            fleet.settle(now, 60 * SECOND)
            counts = PodCounts(replicas, fleet.ready(now))
            wanted = controller.sync(history, now, Scale(replicas, replicas), counts, [1000 * seen[0][1]]).desired
            for _ in range(wanted - replicas):
                self.start_pod()
            for pod in fleet.choose_victims(replicas - wanted, now) if wanted < replicas else ():
                self.draining += 1
                environment.process(self.pods.pop(pod.number).drain())
            self.peak_replicas = max(self.peak_replicas, wanted)

    def figures(self) -> dict[str, float]:
        """As `Summary` has them."""
        living = sum(self.environment.now - pod.created_us for pod in self.fleet.pods)
        return {
            "wait_p50_seconds": self.quantile(0.5),
            "wait_p95_seconds": self.quantile(0.95),
            "wait_p99_seconds": self.quantile(0.99),
            "wait_max_seconds": self.waits_longest / SECOND,
            "wait_mean_seconds": self.waits_total / self.started / SECOND,
            "peak_waiting": self.peak_waiting,
            "peak_replicas": self.peak_replicas,
            "cut_off": self.cut_off,
            "pod_hours": (self.pods_us + living) / SECOND / 3600,
        }

    def quantile(self, share: float) -> float:
        """The wait in seconds that so many do not exceed, as ebbtide's histogram has it."""
        seen = 0
        for step in sorted(self.waits):
            seen += self.waits[step]
            if seen >= share * self.started:
                return min((step + 1) * STEP if step else 0, self.waits_longest) / SECOND
        return 0.0


def main() -> None:
    """Run a day, and on until every message is done and the last pod has gone back to the minimum."""
    kind = {"interrupts": Pod, "events": PodWithEvent}[sys.argv[1]]
    # The scenario of the very settings that ebbtide runs, from run.py.
    scenario, trace = pickle.loads(Path(sys.argv[2]).read_bytes()), Path(sys.argv[3])
    environment = simpy.Environment()
    consumer = Consumer(environment, scenario, kind)
    arrivals = environment.process(consumer.arrive(trace))
    environment.process(consumer.scale())
    environment.run(until=arrivals)
    least = scenario.hpa.min_replicas
    while consumer.done < consumer.arrived or consumer.draining or len(consumer.fleet.pods) > least:
        environment.run(until=environment.now + scenario.sync_seconds * SECOND)
    print(json.dumps(consumer.figures()))


if __name__ == "__main__":
    main()
