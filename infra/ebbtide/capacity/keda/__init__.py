"""What KEDA's operator decides, as steps: `Operator(scaled_object).poll(...)` every polling interval, and
`.external_metric(...)` whenever the HorizontalPodAutoscaler that it made asks.

Two loops own the number of pods. The operator's goes between zero (or the idle count) and the minimum, and from any
number straight to zero; between 1 and the maximum the HPA decides, whose steps are in `capacity/hpa`. Read in KEDA
2.21.0; every step names the file and the function. A ScaledObject is read from its manifest: `read_scaled_object`.
"""

from __future__ import annotations

from ebbtide.capacity.keda.memory import Memory, Record
from ebbtide.capacity.keda.operator import Operator, Poll
from ebbtide.capacity.keda.spec import Counts, Fallback, Modifiers, Pauses, ScaledObject, Trigger
from ebbtide.capacity.keda.triggers import Reading, Target

__all__ = [
    "Counts",
    "Fallback",
    "Memory",
    "Modifiers",
    "Operator",
    "Pauses",
    "Poll",
    "Reading",
    "Record",
    "ScaledObject",
    "Target",
    "Trigger",
]
