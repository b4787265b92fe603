"""May this application's workers be forked after it has booted? Found out by booting it: when the image is built, and
with `auto` once more in each container, with what only the container has.

Judged by what a boot leaves behind that children would share. Two kinds of findings: *reasons*, something was found,
and nobody forks; and *doubts*, something is there that nobody could look into. `auto` forks where there is neither,
`fork` also where there are doubts.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ebbtide_supervisor import extensions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent.parent
PROOF: Final = HERE / "fork.json"
CLASSES: Final = HERE / "fork-classes.json"
BOOT_SECONDS: Final = 120
# Between the two boots, so that a time in whole seconds is another one. One that two boots of the same second have in
# common tells no two workers apart in `exec` either.
BETWEEN_BOOTS_SECONDS: Final = 1.1
# Shared memory for compiled code: this much times what a worker has used without a message, and no less than. What is
# not used costs nothing; what does not fit each child compiles for itself.
OPCACHE_FACTOR: Final = 3
LEAST_OPCACHE_MEBIBYTES: Final = 64
ONLY_BOOT: Final = {"EBBTIDE_FORK_RECORD_BOOT_ONLY": "1"}
SHOWN: Final = 3


@dataclass(frozen=True)
class Proof:
    """What was found: `reasons` against it, and `doubts`. With neither of them it is proved."""

    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    opcache_mebibytes: int = LEAST_OPCACHE_MEBIBYTES
    boot_mebibytes: int = 0
    """What a boot makes in memory: of its own for each worker that boots, in common for those that are forked."""

    def against(self, start: str) -> tuple[str, ...]:
        """Why workers that are to start so are not forked."""
        return self.reasons + (self.doubts if start == "auto" else ())


def read_proof() -> Proof:
    """What the image's build has found out."""
    if not PROOF.is_file():
        return Proof(("the image's build has not tried to fork; build it with self-check --record",))
    record = json.loads(PROOF.read_text())
    return Proof(
        tuple(record["reasons"]), tuple(record["doubts"]), record["opcache_mebibytes"], record["boot_mebibytes"]
    )


def prove(console: Path, receivers: Sequence[str], php: Mapping[str, Any], variables: dict[str, str]) -> Proof:
    """Boot it, hold two more boots against each other, run a worker once, and write the verdict and its classes beside
    this package."""
    CLASSES.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "facts"
        alone = variables | ONLY_BOOT | _names(0)
        first = _boot(console, receivers, file, alone)
        if "failed" not in first:
            # That one has compiled what the image's build had left to it, its container too: no other boot does.
            first = _boot(console, receivers, file, alone)
        time.sleep(BETWEEN_BOOTS_SECONDS)
        second = _boot(console, receivers, file, variables | _names(1))
        boot = round(second.get("bootKibibytes", 0) / 1024)
        reasons, doubts = tuple(judge(first, second, php)), tuple(judge_doubts(second))
        proof = Proof(reasons, doubts, opcache_mebibytes(second), boot)
        classes = file.with_name("facts.classes")
        if classes.is_file():
            CLASSES.write_bytes(classes.read_bytes())
    PROOF.write_text(json.dumps(asdict(proof), indent=1) + "\n")
    return proof


def _names(number: int) -> dict[str, str]:
    """What each worker has for itself: a boot that keeps it would give it to all. Redis gives two consumers of one
    name the same messages."""
    return {"MESSENGER_CONSUMER_NAME": f"build-{number}", "EBBTIDE_PROCESS_NUMBER": str(number)}


def _boot(console: Path, receivers: Sequence[str], file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """What the hook has written, or why it has not."""
    environment = {
        **variables,
        "PHP_INI_SCAN_DIR": f"{variables['PHP_INI_SCAN_DIR']}:{HERE / 'fork/prepend'}:{HERE / 'fork'}",
        "EBBTIDE_FORK_DIRECTORY": str(HERE / "fork"),
        "EBBTIDE_OPCACHE_MEBIBYTES": "256",
        "EBBTIDE_FORK_RECORD": str(file),
    }
    argv = ["php", str(console), "messenger:consume", *receivers, "--time-limit=1", "--no-interaction", "--no-ansi"]
    file.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, errors="replace", timeout=BOOT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"failed": f"it cannot be booted to be looked at (got {error})"}
    if not file.is_file():
        words = " ".join((done.stderr or done.stdout).split())[-300:]
        return {
            "failed": f"its console ends, or consumes, without telling its event dispatcher first (status "
            f"{done.returncode}, got {words!r}); boot Symfony's own Application, without arguments of your own"
        }
    return dict(json.loads(file.read_text()))


def judge(first: Mapping[str, Any], second: Mapping[str, Any], php: Mapping[str, Any]) -> Iterator[str]:
    """Reasons not to fork this application, each with what to change: two boots, the second held against the first."""
    if php.get("prepended"):
        yield f"auto_prepend_file is set (got {php['prepended']}), and the parent needs it; take it out"
    failed = first.get("failed") or second.get("failed")
    if failed:
        yield str(failed)
        return
    yield from _unable(second)
    yield from _shared(second)
    yield from _alike(second)
    yield from _differences(second)


def judge_doubts(boot: Mapping[str, Any]) -> Iterator[str]:
    """What of this boot nobody could look into, each with what to do."""
    if "extensions" not in boot:
        return
    if names := extensions.unknown(boot["extensions"]):
        yield (
            f"it is not known here whether the extensions {', '.join(names)} live through a fork; leave them out, or "
            "write worker.start: fork if you know it"
        )
    if "ffi" in boot["extensions"] and boot["libraries"]:
        libraries = ", ".join(boot["libraries"][:SHOWN])
        yield f"booting has loaded {libraries}, perhaps by FFI, and nobody sees what that holds; load it when needed"
    unseen = boot.get("unseen", [])
    if unseen:
        yield f"booting has made what nobody can look into: {_shown(unseen, len(unseen))}; make it when it is needed"
    if "different" not in boot:
        yield "this boot was held against no other"


def _unable(boot: Mapping[str, Any]) -> Iterator[str]:
    if boot["missing"]:
        names = ", ".join(boot["missing"])
        yield f"PHP lacks {names} (not installed, or in disable_functions); install pcntl and posix"
    if not boot["arguments"]:
        yield "its console reads its arguments in a way of its own, so workers could not get time limits of their own"
    for name, why in extensions.bad(boot["extensions"]):
        yield f"the extension {name}: {why}; or leave it out of the consumer's image"


def _shared(boot: Mapping[str, Any]) -> Iterator[str]:
    for opened in boot["descriptors"]:
        yield f"booting has opened {opened}, which all workers would share; open it when it is first needed"
    if boot["alarmSeconds"]:
        yield f"booting has set an alarm (in {boot['alarmSeconds']} s), which no child has; set it when it is needed"
    if boot["threads"] > 1:
        yield f"booting has started threads (got {boot['threads']}), which no child has; start them when needed"


def _alike(boot: Mapping[str, Any]) -> Iterator[str]:
    # Nobody has looked where PHP cannot make the copy that looks: that is a reason, or a doubt, of its own.
    for place in boot.get("generators", ()):
        yield f"a random generator is seeded while booting ({place}), so all workers would draw the same; seed it later"
    draws = boot.get("draws", [])
    if len(draws) > len(set(draws)):
        yield (
            "booting calls lcg_value() or uniqid() with more entropy, which PHP seeds once: all workers would draw "
            "the same; call random_int() or random_bytes()"
        )


def _differences(boot: Mapping[str, Any]) -> Iterator[str]:
    # A time, a pid, a random id: whatever a second boot makes anew, a fork would give to everybody.
    if boot.get("different"):
        yield (
            "booting makes what is another at each boot, and would be the same in all workers: "
            f"{_shown(boot['differences'], boot['different'])}; make it when it is first asked for"
        )


def _shown(places: Sequence[str], number: int) -> str:
    shown = ", ".join(places[:SHOWN])
    return shown if number <= SHOWN else f"{shown} and {number - SHOWN} more"


def opcache_mebibytes(boot: Mapping[str, Any]) -> int:
    """Shared memory for compiled code."""
    used = boot.get("opcacheBytes") or 0
    return max(LEAST_OPCACHE_MEBIBYTES, OPCACHE_FACTOR * round(used / 1048576))
