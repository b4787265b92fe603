"""The committed schemas, as a program of somebody else's reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def schema(command: str) -> dict[str, Any]:
    """Of the JSON that a command prints."""
    return json.loads((DOCS / f"{command}.schema.json").read_text())
