"""Fill the figures in README.md in from results.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import fill_readme

HERE = Path(__file__).parent


def write_readme() -> None:
    """Replace what stands between the marks of README.md."""
    fill_readme(HERE, tables(json.loads((HERE / "results.json").read_text())))


def tables(results: dict[str, Any]) -> str:
    """Where it was measured, every comparison with its bar, and what a consumer adds."""
    lines = [
        f"Measured at {results['revision']}: {results['machine']}, medians of {results['repeats']}.",
        "",
        "| | | against | | ratio | of CPU time | bar | |",
        "|---|---:|---|---:|---:|---:|---|---|",
    ]
    for row in results["comparisons"]:
        met = row["ratio"] <= row["bar"] if row["bound"] == "at most" else row["ratio"] >= row["bar"]
        lines.append(
            f"| `{row['what']}` | {row['seconds']:.2f} s | {row['reference']} | {row['reference_seconds']:.2f} s "
            f"| {row['ratio']:.2f} | {row['cpu_ratio']:.2f} | {row['bound']} {row['bar']:g} | {_verdict(met)} |"
        )
    counts = [step["consumers"] for step in results["by_consumers"][0]["steps"]]
    headings = " | ".join(f"{count} consumer{'s' * (count > 1)}" for count in counts)
    lines += [
        "",
        f"| one stack with | {headings} | a consumer adds | bar | |",
        f"|---|{'---:|' * len(counts)}---:|---|---|",
    ]
    for row in results["by_consumers"]:
        cells = " | ".join(f"{step['seconds']:.2f} s, {step['mebibytes']:.0f} MiB" for step in row["steps"])
        met = row["added_milliseconds"] <= row["bar_milliseconds"]
        lines.append(
            f"| `{row['what']}` | {cells} | {row['added_milliseconds']:.1f} ms | at most {row['bar_milliseconds']} ms "
            f"| {_verdict(met)} |"
        )
    return "\n".join(lines) + "\n"


def _verdict(met: bool) -> str:  # noqa: FBT001 - the one thing it is about
    return "met" if met else "**missed**"


if __name__ == "__main__":
    write_readme()
