"""The same consumer in SimPy, in SimPy's own idiom: processes for workers, a store for the queue.

    python simpy_model.py PROCESSES MIN MAX TARGET TRACE      prints the mean and the longest wait, and the most pods

FIFO, pulling workers, pods that start late and drain, messages that the grace cuts off and that come back, waits in a
histogram, and the very controller of ebbtide every 15 s. A worker waits for a message *or* for the end of its pod, as
SimPy's own bank example reneges; a kill interrupts it, as its machine shop's breakdowns do. Left out, which makes it
faster: nodes, the age of the metric, made-anew workers, CPU, the record of every decision.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import simpy

from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, PodCounts, Scale
from ebbtide.capacity.trace import read_trace

START_SECONDS = 8
SYNC_SECONDS = 15
GRACE_SECONDS = 90
REDELIVERY_SECONDS = 100


class Pod:
    """Workers that start together and are told to stop together."""

    def __init__(self, consumer: Consumer, delay: float) -> None:
        self.consumer = consumer
        self.stopping = consumer.environment.event()
        self.workers = [consumer.environment.process(self.work(delay)) for _ in range(consumer.processes)]

    def work(self, delay: float):
        """A worker: take the next message, handle it, unless the pod is to go."""
        environment, queue = self.consumer.environment, self.consumer.queue
        yield environment.timeout(delay)
        while not self.stopping.triggered:
            request = queue.get()
            yield request | self.stopping
            if not request.triggered:
                request.cancel()
                return
            arrival, duration = request.value
            self.consumer.note_wait(environment.now - arrival)
            try:
                yield environment.timeout(duration)
            except simpy.Interrupt:
                environment.process(self.consumer.redeliver(arrival, duration))
                return

    def drain(self):
        """Stop, and kill what is left when the grace period ends."""
        self.stopping.succeed()
        yield self.consumer.environment.timeout(GRACE_SECONDS)
        for worker in self.workers:
            if worker.is_alive:
                worker.interrupt()


class Consumer:
    """A queue, pods of workers, and an autoscaler on the backlog."""

    def __init__(self, environment: simpy.Environment, processes: int, least: int, most: int, target: int) -> None:
        self.environment = environment
        self.processes = processes
        self.queue = simpy.Store(environment)
        self.waits: Counter[int] = Counter()
        self.waits_total = self.waits_longest = 0.0
        self.started = 0
        self.controller = Controller(
            HpaSpec(least, most, (Metric("External", "AverageValue", target * 1000, "queue"),))
        )
        self.pods = [Pod(self, 0) for _ in range(least)]
        self.most_pods = least

    def note_wait(self, wait: float) -> None:
        """Count what a message waited, in seconds."""
        self.waits[int(wait * 100)] += 1
        self.waits_total += wait
        self.waits_longest = max(self.waits_longest, wait)
        self.started += 1

    def redeliver(self, arrival: float, duration: float):
        """Give a killed message back, later."""
        yield self.environment.timeout(REDELIVERY_SECONDS)
        self.queue.put((arrival, duration))

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
            self.pods += [Pod(self, START_SECONDS) for _ in range(wanted - count)]
            for _ in range(count - wanted):
                self.environment.process(self.pods.pop().drain())
            self.most_pods = max(self.most_pods, len(self.pods))


def main() -> None:
    """Run a day."""
    numbers, trace = [int(word) for word in sys.argv[1:5]], Path(sys.argv[5])
    environment = simpy.Environment()
    consumer = Consumer(environment, *numbers)
    arrivals = environment.process(consumer.arrive(trace))
    environment.process(consumer.scale())
    environment.run(until=arrivals)
    mean = consumer.waits_total / consumer.started
    print(f"{mean:.4f} {consumer.waits_longest:.3f} {consumer.most_pods}")


if __name__ == "__main__":
    main()
