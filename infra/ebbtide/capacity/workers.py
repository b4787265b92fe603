"""The workers of all pods: when each is free, what it holds, and what happens to what it holds."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from heapq import heapify, heappush

from ebbtide.capacity.pods import SimulatedPod

# Bits of a key for the worker's number; 43 bits are left for the time, 101 days in microseconds.
SLOT_BITS = 20
SLOT_MASK = (1 << SLOT_BITS) - 1
MAX_SLOTS = 1 << SLOT_BITS


class Workers:
    """Workers by number. `heap` holds when each is free next: time in microseconds above the worker's number, so that
    ties have one order."""

    def __init__(self, heap: list[int] | None = None, noted_above_us: int = -1) -> None:
        self._heap = heap or []
        self._packed: array[int] | None = None
        self.noted_above_us = noted_above_us
        """A message of at most so long is never killed, so its duration is not noted: a tenth of the kernel's time."""
        self.durations = array("q")
        """How long the last noted message of each worker takes, in microseconds."""
        self.arrivals = array("q")
        """When that message arrived, in microseconds."""
        self._owners: list[SimulatedPod | None] = []
        self._booting: dict[int, tuple[int, int]] = {}
        """Workers that are made anew: when their message ends, and when they are free after that."""

    def __len__(self) -> int:
        return len(self._heap) if self._packed is None else len(self._packed)

    @property
    def heap(self) -> list[int]:
        """As `heapq` wants it."""
        if self._packed is not None:
            self._heap = self._packed.tolist()
            self._packed = None
        return self._heap

    @property
    def packed(self) -> array[int] | None:
        """As a kernel has left it, unless somebody has asked for `heap` since."""
        return self._packed

    @packed.setter
    def packed(self, keys: array[int]) -> None:
        self._packed = keys

    def reserve(self, count: int) -> None:
        """Have room for workers with numbers below `count`. Raises ValueError for more than a key can say."""
        if count > MAX_SLOTS:
            raise ValueError(f"has more than {MAX_SLOTS} workers; lower maxReplicas or processes")
        missing = count - len(self.durations)
        if missing > 0:
            self.durations.extend(array("q", bytes(8 * missing)))
            self.arrivals.extend(array("q", bytes(8 * missing)))
            self._owners.extend([None] * missing)

    def add(self, pod: SimulatedPod) -> None:
        """The workers of a pod are free from `consuming_us` on."""
        heap = self.heap
        for slot in pod.slots:
            self._owners[slot] = pod
            heappush(heap, (pod.consuming_us << SLOT_BITS) | slot)

    def remove(self, pods: Collection[SimulatedPod], now: int) -> list[tuple[SimulatedPod, int, int]]:
        """Take the workers of pods away. Returns (pod, number, when its message ends) of those that hold one."""
        gone = {slot for pod in pods for slot in pod.slots}
        heap = self.heap
        removed = [key for key in heap if key & SLOT_MASK in gone]
        heap[:] = [key for key in heap if key & SLOT_MASK not in gone]
        heapify(heap)
        held = []
        for key in removed:
            slot, end = key & SLOT_MASK, self._message_end(key)
            pod = self._owners[slot]
            # Workers that are yet to begin are free at a time in the future as well.
            if end > now and pod is not None and pod.consuming_us <= now:
                held.append((pod, slot, end))
            self._booting.pop(slot, None)
        return held

    def _message_end(self, key: int) -> int:
        slot = key & SLOT_MASK
        return self._booting[slot][0] if slot in self._booting else key >> SLOT_BITS

    def forget_booted(self, now: int) -> None:
        """Workers that were made anew by `now` are like all others."""
        if self._booting:
            self._booting = {slot: times for slot, times in self._booting.items() if times[1] > now}

    def in_flight(self, now: int, unfree: int) -> int:
        """Messages that workers hold at `now`, of which so many are not free. A worker that boots holds none."""
        return unfree - sum(end <= now for end, _ in self._booting.values()) if self._booting else unfree

    def in_flight_us(self, now: int, unfree_us: int) -> int:
        """How much of the messages in flight is left at `now`, where so much passes until all workers are free."""
        return unfree_us - sum(free - max(end, now) for end, free in self._booting.values() if free > now)

    def busy(self, now: int) -> list[int]:
        """The numbers of the workers that hold a message at `now`."""
        edge = (now + 1) << SLOT_BITS
        return [key & SLOT_MASK for key in self.heap if key >= edge and self._message_end(key) > now]

    def renew(self, place: int, boot_us: int, now: int) -> None:
        """A worker has reached its message limit: after the message in flight it boots. Sort the heap afterwards."""
        key = self.heap[place]
        end, free = self._message_end(key), (key >> SLOT_BITS) + boot_us
        self.heap[place] = (free << SLOT_BITS) | (key & SLOT_MASK)
        if free > now:
            self._booting[key & SLOT_MASK] = (end, free)

    def crash(self, place: int, boot_us: int, now: int) -> tuple[int, int] | None:
        """A worker dies and is made anew. Returns its number, and when its message would have ended, if it held one.
        Sort the heap afterwards."""
        key = self.heap[place]
        slot, end = key & SLOT_MASK, self._message_end(key)
        self.heap[place] = ((now + boot_us) << SLOT_BITS) | slot
        self._booting[slot] = (min(end, now), now + boot_us)
        return (slot, end) if end > now else None

    def sort(self) -> None:
        """Make the heap one again."""
        heapify(self.heap)
