"""Who may start when: a pod whose broker is away costs little, and is back soon after it."""

from __future__ import annotations

from ebbtide_supervisor.gate import PROBE_SECONDS, SETTLE_SECONDS, Gate

WORKERS = 70
OUTAGE_SECONDS = 60.0
# The promise: at most half a restart a second in a pod, whatever its number of workers.
MOST_STARTS_PER_SECOND = 0.5


class Pod:
    """Workers whose only life is to fail some time after their start while the broker is away. 10 ms a step."""

    def __init__(self, failing_takes_seconds: float) -> None:
        self.gate = Gate()
        self.failing_takes_seconds = failing_takes_seconds
        self.waiting = dict.fromkeys(range(WORKERS))
        self.started_at: dict[int, float] = {}
        self.starts: list[float] = []
        self.now = 0.0

    def run(self, seconds: float, *, broker_is_there: bool) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.01
            if not broker_is_there:
                self._fail()
            self._settle()
            self._start()

    def break_connections(self) -> None:
        for worker, at in list(self.started_at.items()):
            self._failed(worker, self.now - at)

    def _fail(self) -> None:
        for worker, at in list(self.started_at.items()):
            if self.now - at >= self.failing_takes_seconds:
                self._failed(worker, self.now - at)

    def _failed(self, worker: int, lived_seconds: float) -> None:
        del self.started_at[worker]
        self.gate.failed(worker, lived_seconds, self.now)
        self.waiting[worker] = None

    def _settle(self) -> None:
        probe = self.gate.probe
        if probe is not None and self.gate.settled(self.now - self.started_at[probe], asleep=True):
            self.gate.open(self.now)

    def _start(self) -> None:
        for worker in list(self.waiting):
            if not self.gate.may_start(self.now):
                return
            del self.waiting[worker]
            self.started_at[worker] = self.now
            self.starts.append(self.now)
            self.gate.started(worker, self.now)


def test_the_first_worker_starts_alone_and_the_others_right_after_it() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(0.2, broker_is_there=True)
    assert len(pod.starts) == 1, "70 workers compile PHP's files at once, and 70 find the broker away"
    pod.run(0.8, broker_is_there=True)
    assert len(pod.starts) == WORKERS


def test_an_outage_costs_a_pod_less_than_half_a_restart_a_second() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(100, broker_is_there=True)
    before = len(pod.starts)
    pod.break_connections()
    pod.run(OUTAGE_SECONDS, broker_is_there=False)
    assert (len(pod.starts) - before) / OUTAGE_SECONDS <= MOST_STARTS_PER_SECOND
    assert len(pod.starts) > before + 10, "nobody looks whether the broker is back"


def test_all_workers_are_back_soon_after_the_broker() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(100, broker_is_there=True)
    pod.break_connections()
    pod.run(OUTAGE_SECONDS, broker_is_there=False)
    pod.run(PROBE_SECONDS + SETTLE_SECONDS + 0.5, broker_is_there=True)
    assert len(pod.started_at) == WORKERS
    assert not pod.waiting


def test_a_broker_that_is_away_at_the_start_costs_one_start_at_a_time() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(OUTAGE_SECONDS, broker_is_there=False)
    assert len(pod.starts) / OUTAGE_SECONDS <= MOST_STARTS_PER_SECOND


def test_a_connection_that_times_out_late_starts_everyone_in_vain_at_most_three_times() -> None:
    """An address that does not answer looks like a broker that is there until the connection times out."""
    pod = Pod(failing_takes_seconds=3.0)
    pod.run(600, broker_is_there=False)
    assert len(pod.starts) <= 3 * WORKERS + 600 / PROBE_SECONDS


def test_one_crash_restarts_that_worker_at_once() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(100, broker_is_there=True)
    pod._failed(5, 99.0)
    pod.run(0.02, broker_is_there=True)
    assert 5 in pod.started_at


def test_a_real_outage_soon_after_the_start_does_not_make_the_next_return_slow() -> None:
    pod = Pod(failing_takes_seconds=0.2)
    pod.run(8, broker_is_there=True)
    pod.break_connections()
    pod.run(10, broker_is_there=False)
    pod.run(PROBE_SECONDS + SETTLE_SECONDS + 0.5, broker_is_there=True)
    assert len(pod.started_at) == WORKERS


def test_a_probe_that_found_the_stop_file_makes_room_for_another() -> None:
    gate = Gate()
    gate.started(1, 0.0)
    assert not gate.may_start(10.0)
    gate.ended(1)
    assert gate.may_start(10.0)
