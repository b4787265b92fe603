"""The import arrows of .importlinter hold rooms that nobody has thought of yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT = (str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(ROOT / ".importlinter"))


def test_a_new_room_must_have_its_place_and_may_not_import_pulumi(tmp_path: Path) -> None:
    # Without the image, which is no part of the package to the linter.
    unseen = shutil.ignore_patterns("image", "__pycache__")
    shutil.copytree(ROOT / "infra" / "ebbtide", tmp_path / "ebbtide", ignore=unseen)
    (tmp_path / "ebbtide" / "attic.py").write_text("import pulumi\n")
    command = [*LINT, "--contract", "layers", "--contract", "pulumi"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not listed as layers:\n\n- ebbtide.attic\n" in done.stdout
    assert "not allowed to import pulumi:\n\n-   ebbtide.attic -> pulumi " in done.stdout
