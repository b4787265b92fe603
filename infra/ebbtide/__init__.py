"""Autoscaled queue consumers on GKE that never lose a message when they scale down."""

__version__ = "0.1.0"
