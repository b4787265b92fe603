"""What `pulumi up` runs."""

from pathlib import Path

from ebbtide.program import run

run(Path(__file__).resolve().parent.parent)
