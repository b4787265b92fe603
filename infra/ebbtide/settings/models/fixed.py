"""A number of pods that nothing but a change of the settings moves."""

from typing import Literal

from pydantic import Field

from ebbtide.settings.models.autoscaling import MAX_REPLICAS, AutoscalingSettings
from ebbtide.settings.values.units import Count


class FixedReplicas(AutoscalingSettings):
    """A number of pods that only a change of the settings changes."""

    kind: Literal["fixed"]
    """A fixed number of pods."""
    replicas: Count = Field(ge=0, le=MAX_REPLICAS)
    """How many pods."""

    @property
    def stated_replicas(self) -> int:
        """The Deployment owns it."""
        return self.replicas

    @property
    def min_replicas(self) -> int:
        """The smallest number of pods."""
        return self.replicas

    @property
    def max_replicas(self) -> int:
        """The largest number of pods."""
        return self.replicas


class Singleton(AutoscalingSettings):
    """One pod with one process that handles one message at a time, and never a second one beside it: for schedules, and
    for queues whose order matters.

    The next pod starts when the last one is gone, and nothing consumes meanwhile. It holds in updates (`Recreate`), in
    evictions and after `kubectl delete pod`, where a Deployment alone starts the next pod at once: the scheduler places
    it only when the pod before it has ended (required anti-affinity against its own kind). It does not hold for a pod
    that is deleted by force, as after the loss of a node: nobody knows then whether it still runs."""

    kind: Literal["singleton"]
    """One pod, never two."""

    @property
    def stated_replicas(self) -> int:
        """The Deployment owns it."""
        return 1

    @property
    def min_replicas(self) -> int:
        """The smallest number of pods."""
        return 1

    @property
    def max_replicas(self) -> int:
        """The largest number of pods."""
        return 1

    @property
    def overlaps(self) -> bool:
        """That is the point of it."""
        return False
