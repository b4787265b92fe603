"""Minor versions of Kubernetes that something depends on."""

DEFAULT_KUBERNETES = "1.34"
"""Of a stack and a project that say no other."""
# The versions whose fields the rules were held against, and whose autoscaler the simulator's controller was.
OLDEST_KNOWN_MINOR, NEWEST_KNOWN_MINOR = 25, 37
# Gate HPAConfigurableTolerance: alpha and off in 1.33, beta and on in 1.35.
TOLERANCE_MINOR = 35
# Gate HPAContainerMetrics: alpha and off until 1.26, beta and on in 1.27.
CONTAINER_METRICS_MINOR = 27
# Gate HPAScaleToZero: alpha and off until 1.36, beta and on in 1.37.
SCALE_TO_ZERO_MINOR = 37
