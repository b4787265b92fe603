"""What the Pulumi engine runs. Everything is in the library: ebbtide/program.py."""

from pathlib import Path

from ebbtide import run

# The engine runs this in infra/, the Automation API wherever it was started: the project is where this file is.
run(Path(__file__).resolve().parent.parent)
