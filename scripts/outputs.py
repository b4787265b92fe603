"""Fill in what commands print in the documentation: every block that begins with `$ ebbtide` or `$ scripts/preview`.

    .venv/bin/python scripts/outputs.py [FILE...]       default: FILES

The commands run in this repository, without colours and 120 columns wide.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "docs/capacity.md", "docs/doctor.md", "docs/migrating.md")
_BLOCK = re.compile(r"```\n\$ ((?:ebbtide |scripts/preview)(?:.*\\\n)*.*)\n[\s\S]*?```")
# What a simulation stands on is told once, in words.
_CUT_AT = "\nThis stands on"


def fill(text: str) -> str:
    """The same document with fresh outputs."""
    return _BLOCK.sub(lambda block: f"```\n$ {block[1]}\n{_output(block[1])}\n```", text)


def _output(command: str) -> str:
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout.split(_CUT_AT)[0].rstrip()


def main() -> None:
    """Fill the files that are named."""
    for name in sys.argv[1:] or FILES:
        file = ROOT / name
        file.write_text(fill(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
