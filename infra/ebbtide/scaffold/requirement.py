"""The line of requirements.txt that gets the ebbtide which runs."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution

from ebbtide.version import __version__

TO_BE_NAMED = """\
# ebbtide is on no package index, and another's package of that name is not it: name a commit of its repository.
# ebbtide @ git+https://...@<commit>
"""


def requirement(direct_url: str | None) -> str:
    """What pip wrote down of where ebbtide is from (PEP 610, `direct_url.json`), as a requirement; None: an index."""
    if direct_url is None:
        return f"ebbtide=={__version__}\n"
    origin = json.loads(direct_url)
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"ebbtide @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}\n"
    if "archive_info" in origin:
        return f"ebbtide @ {origin['url']}\n"
    return (
        f"# A directory of this machine. Elsewhere, as in CI: ebbtide @ git+https://...@<commit>\nebbtide @ "
        f"{origin['url']}\n"
    )


def own_origin() -> str | None:
    """Where this ebbtide is from, in pip's words; None for an index, or where nobody wrote it down."""
    try:
        return distribution("ebbtide").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
