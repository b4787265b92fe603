"""The image's modules are none of the package's, and import-linter does not see them."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_of_the_image_needs_what_needs_it() -> None:
    """Not for a type either."""
    graph = grimp.build_graph("ebbtide_supervisor", cache_dir=None)
    needed = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert tuple(TopologicalSorter(needed).static_order())
