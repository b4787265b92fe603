"""What the metadata of a release says that no file of the repository can: where the repository is.

    EBBTIDE_REPOSITORY=https://github.com/OWNER/ebbtide python -m build

README's links are relative. On a package index they would lead nowhere: they become absolute, into the files of this
version. Without an address, as in every build but a release's, they become plain text, pictures nothing, and there are
no `urls`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE = "EBBTIDE_REPOSITORY"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\n)+)\]\((?![a-z]+:)([^)\s]+)\)")


class Hook(MetadataHookInterface):
    """Gives `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in both."""
        root = Path(self.root)
        repository = (os.environ.get(VARIABLE) or _of_sdist(root)).rstrip("/")
        text = linked((root / "README.md").read_text(encoding="utf-8"), repository, metadata["version"], root)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        if repository:
            metadata["urls"] = {
                "Repository": repository,
                "Documentation": f"{repository}/tree/{metadata['version']}/docs",
                "Changelog": f"{repository}/blob/{metadata['version']}/CHANGELOG.md",
                "Issues": f"{repository}/issues",
            }


def linked(text: str, repository: str, tag: str, root: Path) -> str:
    """README with links that lead somewhere from anywhere, or with none."""

    def absolute(link: re.Match[str]) -> str:
        is_picture, words, target = bool(link[1]), link[2], link[3]
        if is_picture:
            return f"![{words}]({repository}/raw/{tag}/{target})" if repository else ""
        if target.startswith("#"):
            return link[0]
        kind = "tree" if (root / target.partition("#")[0]).is_dir() else "blob"
        return f"[{words}]({repository}/{kind}/{tag}/{target})" if repository else words

    return _LINK.sub(absolute, text)


def _of_sdist(root: Path) -> str:
    """The address that a release's sdist was built with."""
    built = root / "PKG-INFO"
    told = built.read_text(encoding="utf-8") if built.is_file() else ""
    found = re.search(r"^Project-URL: Repository, (\S+)$", told, re.MULTILINE)
    return found[1] if found else ""
