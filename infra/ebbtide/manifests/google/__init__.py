"""Google Cloud resources of a stack: pure functions from settings to `Resource`s, in the provider's own names.

They are registered by token, so nothing here imports pulumi_gcp (1.4 million lines; 4 s for its classes). A
contract test holds every property name, nested ones included, against the installed pulumi_gcp.
"""
