"""Facts about Kubernetes itself that more than one room needs. Imports nothing of ours."""
