"""The version of the package: the one place that a release changes."""

__version__ = "0.1.0"
