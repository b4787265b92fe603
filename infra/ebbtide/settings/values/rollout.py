"""How an update goes on, in seconds: what the Deployment states, and what Kubernetes takes where nobody does."""

from typing import Final

# A worker that dies of its first message is not yet a reason to let an old pod go.
MIN_READY_SECONDS: Final = 10
# Kubernetes' default, written out: it must exceed a new node (minutes), the pull of the image and the start
# deadline of the container (120 s) together, or a slow node is reported as a failed roll-out.
PROGRESS_DEADLINE_SECONDS: Final = 600
