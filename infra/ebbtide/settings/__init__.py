"""Settings of a stack: values, models of them, rules about the models, and the files they are read from.

The rules are declared here, before any model can be built: a model refuses what they call an error.
"""

from ebbtide.settings import rules

__all__ = ["rules"]
