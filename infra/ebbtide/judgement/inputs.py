"""Under which ids input is refused before any rule can look at it."""

from __future__ import annotations

from ebbtide.judgement.findings import Level
from ebbtide.judgement.rule import RuleText, register

_CODE = "ebbtide's own reading of its input."


def _refusal(id: str, title: str, remedy: str, source: str = _CODE) -> None:  # noqa: A002
    register(RuleText(id, "input", (Level.ERROR,), title, "", remedy, source))


_refusal(
    "schema",
    "A value has the type, the form and the bounds of its setting.",
    "Write it as docs/settings.md says; an editor checks it with docs/stack.schema.json.",
)
_refusal("yaml", "A file is YAML that the Pulumi engine reads the same.", "Correct the line that is named.")
_refusal(
    "project",
    "The project has a Pulumi.yaml and a file for each stack, and both ways of running read them alike.",
    "Do what the message says; docs/settings.md tells what stands in which file.",
)
_refusal(
    "wiring",
    "A program of one's own hands each component what it needs.",
    "Pass the settings that the message names.",
)
_refusal("reachability", "An existing cluster can be reached before anything is changed.", "Start it, or its VPN.")
_refusal("base", "The commit that is compared with is here.", "Fetch it, or name another with --base.")
_refusal("plan", "A plan is what `pulumi preview --json` writes.", "Write it with `pulumi preview --json > plan.json`.")
_refusal("preview", "A preview that is posted is what `ebbtide preview --format json` wrote.", "Write it anew.")
_refusal("load", "A load can be read, and can drive this autoscaler.", "docs/capacity.md tells the forms of a load.")
_refusal("simulate", "The options of a simulation fit together.", "`ebbtide simulate --help` has examples.")
_refusal(
    "rehearsal",
    "A rehearsal can run as it is asked for, in the cluster that is there.",
    "Do what the message says; docs/rehearsal.md tells what a rehearsal needs.",
)
_refusal("doctor", "What doctor is asked to read is there.", "`ebbtide doctor --help` has examples.")
_refusal("init", "What init is told can be written into a stack file.", "`ebbtide init --help` has examples.")
_refusal("report", "A report can be written.", "Name a file that ends in .html or .png.")
