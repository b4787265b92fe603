"""What `pulumi up` runs."""

from pathlib import Path

from ebbtide import run

run(Path(__file__).resolve().parent.parent)
