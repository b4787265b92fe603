"""The same consumer in SimPy, as somebody would write it: processes for workers, a store for the queue.

    python simpy_model.py TRACE PROCESSES MIN MAX TARGET      prints the mean and the longest wait, and the most pods

FIFO, pulling workers, pods that start late and drain, and the very controller of ebbtide every 15 s.
"""

from __future__ import annotations

import sys
from pathlib import Path

import simpy

from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, PodCounts, Scale
from ebbtide.capacity.trace import read_trace

START_SECONDS = 8
SYNC_SECONDS = 15


class Consumer:
    """A queue, pods of workers, and an autoscaler on the backlog."""

    def __init__(self, environment: simpy.Environment, processes: int, least: int, most: int, target: int) -> None:
        self.environment = environment
        self.processes = processes
        self.queue = simpy.Store(environment)
        self.pods: list[list[bool]] = []
        self.waits_total = self.waits_longest = 0.0
        self.started = 0
        self.most_pods = 0
        self.controller = Controller(
            HpaSpec(least, most, (Metric("External", "AverageValue", target * 1000, "queue"),))
        )
        for _ in range(least):
            self.start_pod(0)

    def start_pod(self, delay: float) -> None:
        """A pod is a list with one entry: whether it goes on."""
        pod = [True]
        self.pods.append(pod)
        self.most_pods = max(self.most_pods, len(self.pods))
        for _ in range(self.processes):
            self.environment.process(self.work(pod, delay))

    def work(self, pod: list[bool], delay: float):
        """A worker: take the next message, handle it, unless its pod is to go."""
        yield self.environment.timeout(delay)
        while pod[0]:
            arrival, duration = yield self.queue.get()
            wait = self.environment.now - arrival
            self.waits_total += wait
            self.waits_longest = max(self.waits_longest, wait)
            self.started += 1
            yield self.environment.timeout(duration)

    def arrive(self, trace: Path):
        """Put messages into the queue when they arrive."""
        for arrivals, durations in read_trace(trace):
            for arrival, duration in zip(arrivals, durations, strict=True):
                at = arrival / 1e6
                if at > self.environment.now:
                    yield self.environment.timeout(at - self.environment.now)
                self.queue.put((at, duration / 1e6))

    def scale(self):
        """The autoscaler's loop."""
        history = History()
        while True:
            yield self.environment.timeout(SYNC_SECONDS)
            now = round(self.environment.now * 1e6)
            count = len(self.pods)
            wanted = self.controller.sync(
                history, now, Scale(count, count), PodCounts(count, count), [1000 * len(self.queue.items)]
            ).desired
            for _ in range(wanted - count):
                self.start_pod(START_SECONDS)
            for _ in range(count - wanted):
                self.pods.pop()[0] = False


def main() -> None:
    """Run a day."""
    trace, numbers = Path(sys.argv[1]), [int(word) for word in sys.argv[2:6]]
    environment = simpy.Environment()
    consumer = Consumer(environment, *numbers)
    arrivals = environment.process(consumer.arrive(trace))
    environment.process(consumer.scale())
    environment.run(until=arrivals)
    print(f"{consumer.waits_total / consumer.started:.4f} {consumer.waits_longest:.3f} {consumer.most_pods}")


if __name__ == "__main__":
    main()
