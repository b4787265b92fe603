"""What keeps a stack from being deleted by mistake."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import Operation, ResourceChange
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


@change_rule(
    "P-04",
    RiskLevel.DANGER,
    remedy="Keep ebbtide:protect; say who owns the field now.",
    source="Pulumi, the options protect and ignoreChanges; Google Cloud, deletionProtection.",
    reads={"Cluster": ("deletionProtection",)},
)
def check_protection_lost(context: Context) -> Iterator[Risk]:
    """`protect`, `retainOnDelete` or `ignoreChanges` is taken away: the next change may delete it, or take the number
    of pods away from its autoscaler."""
    for change in context.change.changes:
        for option in change.options if change.operation is Operation.UPDATE else ():
            if option.name == "protect" and option.old and not option.new:
                sentence, advice = "is no longer protected against deletion", "keep ebbtide:protect"
            elif option.name == "retainOnDelete" and option.old and not option.new:
                sentence, advice = "no longer stays when the program lets go of it", "keep retainOnDelete"
            elif option.name == "ignoreChanges" and set(option.old or ()) - set(option.new or ()):
                lost = ", ".join(sorted(set(option.old or ()) - set(option.new or ())))
                if lost == "spec.replicas":
                    continue  # P-20 says who owns it now.
                sentence, advice = f"no longer leaves {lost} alone", "check who owns it now"
            else:
                continue
            yield Risk(change.title, f"{change.kind} {change.title} {sentence}", advice, change.key)
    for change in context.of("Cluster", Operation.UPDATE):
        on = change.old.get("deletionProtection", True)
        if on and change.new.get("deletionProtection", True) is not True and not _says_so(change):
            sentence = f"Cluster {change.title} is no longer protected against deletion"
            yield Risk(change.title, sentence, "keep ebbtide:protect", change.key)


def _says_so(change: ResourceChange) -> bool:
    return any(option.name == "protect" and option.old and not option.new for option in change.options)
