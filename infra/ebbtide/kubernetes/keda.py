"""What KEDA takes where nothing is written, and how it names things.

Source: apis/keda/v1alpha1/scaledobject_types.go and withtriggers_types.go; pkg/scaling/executor/scale_executor.go.
"""

DEFAULT_POLLING_SECONDS = 30
DEFAULT_COOLDOWN_SECONDS = 300
DEFAULT_INITIAL_COOLDOWN_SECONDS = 0
DEFAULT_MAX_REPLICAS = 100
"""Of a ScaledObject as of a ScaledJob."""
HPA_PREFIX = "keda-hpa-"
"""The HPA's name is this and its ScaledObject's, where no other is written."""
TAKES_OVER_HPA = "scaledobject.keda.sh/transfer-hpa-ownership"
"""The annotation of a ScaledObject that takes over the HPA whose name it writes."""
