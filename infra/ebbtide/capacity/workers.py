"""The workers of all pods: when each is free, what it holds, and what happens to what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappush

from ebbtide.capacity.kernel import MAX_SLOTS, SLOT_BITS, SLOT_MASK
from ebbtide.capacity.pods import SimulatedPod


@dataclass(slots=True)
class Workers:
    """Workers by number. The heap holds when each is free next, as the kernel wants it."""

    heap: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    """How long the last message of each worker takes, in microseconds."""
    queues: list[int] = field(default_factory=list)
    """Which queue it came from."""
    booting: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Workers that are made anew: when their message ends, and when they are free after that."""

    def reserve(self, count: int) -> None:
        """Have room for workers with numbers below `count`. Raises ValueError for more than a key can say."""
        if count > MAX_SLOTS:
            raise ValueError(f"has more than {MAX_SLOTS} workers; lower maxReplicas or processes")
        missing = count - len(self.durations)
        if missing > 0:
            self.durations.extend([0] * missing)
            self.queues.extend([0] * missing)

    def add(self, pod: SimulatedPod) -> None:
        """The workers of a pod are free from `consuming_us` on."""
        for slot in pod.slots:
            heappush(self.heap, (pod.consuming_us << SLOT_BITS) | slot)

    def remove(self, slots: dict[int, SimulatedPod], now: int) -> list[tuple[int, int]]:
        """Take workers away. Returns (number, when its message ends) of those that hold one."""
        held = [
            (key & SLOT_MASK, self._message_end(key))
            for key in self.heap
            if key & SLOT_MASK in slots and slots[key & SLOT_MASK].consuming_us <= now
        ]
        self.heap[:] = [key for key in self.heap if key & SLOT_MASK not in slots]
        heapify(self.heap)
        for slot in slots:
            self.booting.pop(slot, None)
        return [(slot, end) for slot, end in held if end > now]

    def _message_end(self, key: int) -> int:
        slot = key & SLOT_MASK
        return self.booting[slot][0] if slot in self.booting else key >> SLOT_BITS

    def forget_booted(self, now: int) -> None:
        """Workers that were made anew by `now` are like all others."""
        if self.booting:
            self.booting = {slot: times for slot, times in self.booting.items() if times[1] > now}

    def in_hand(self, now: int) -> int:
        """Messages that workers hold at `now`. A worker that boots holds none."""
        edge = (now + 1) << SLOT_BITS
        booting = sum(end <= now for end, _ in self.booting.values())
        return len([key for key in self.heap if key >= edge]) - booting

    def busy(self, now: int) -> list[int]:
        """The numbers of the workers that hold a message at `now`."""
        edge = (now + 1) << SLOT_BITS
        return [key & SLOT_MASK for key in self.heap if key >= edge and self._message_end(key) > now]

    def renew(self, place: int, boot_us: int, now: int) -> None:
        """A worker has reached its message limit: after the message in hand it boots. Sort the heap afterwards."""
        key = self.heap[place]
        end, free = self._message_end(key), (key >> SLOT_BITS) + boot_us
        self.heap[place] = (free << SLOT_BITS) | (key & SLOT_MASK)
        if free > now:
            self.booting[key & SLOT_MASK] = (end, free)

    def crash(self, place: int, boot_us: int, now: int) -> int | None:
        """A worker dies and is made anew. Returns its number if it held a message. Sort the heap afterwards."""
        key = self.heap[place]
        slot, end = key & SLOT_MASK, self._message_end(key)
        self.heap[place] = ((now + boot_us) << SLOT_BITS) | slot
        self.booting[slot] = (min(end, now), now + boot_us)
        return slot if end > now else None

    def sort(self) -> None:
        """Make the heap one again."""
        heapify(self.heap)
