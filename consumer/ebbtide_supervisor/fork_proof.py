"""May this application's workers be forked after it has booted? Found out by booting it, when the image is built.

Judged by what a boot leaves behind that children would share. Not judged: what a handler does later in its own
process, and values that a C extension keeps where PHP cannot see them. So it can find reasons against, and prove
nothing: the settings ask for `fork`, the build may refuse it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent.parent
PROOF: Final = HERE / "fork.json"
CLASSES: Final = HERE / "fork-classes.json"
BOOT_SECONDS: Final = 120
# Shared memory for compiled code: this much times what a worker has used without a message, and no less than. What is
# not used costs nothing; what does not fit each child compiles for itself.
OPCACHE_FACTOR: Final = 3
LEAST_OPCACHE_MEBIBYTES: Final = 64
ONLY_BOOT: Final = {"EBBTIDE_FORK_RECORD_BOOT_ONLY": "1"}
SHOWN_DIFFERENCES: Final = 3
# Threads, connections or profilers that these start with the process and that no child has.
EXTENSIONS: Final = {
    "grpc": "its threads and channels do not live in a child",
    "ddtrace": "its sender is a thread that no child has",
    "datadog-profiling": "its profiler is a thread that no child has",
    "newrelic": "its agent follows one process",
    "elastic_apm": "its sender is a thread that no child has",
    "blackfire": "its probe follows one process",
    "tideways": "its profiler follows one process",
    "parallel": "its threads do not live in a child",
    "xdebug": "its connection would be everybody's",
}


@dataclass(frozen=True)
class Proof:
    """`reasons` speak against it; none of them, and workers may be forked."""

    reasons: tuple[str, ...] = ()
    opcache_mebibytes: int = LEAST_OPCACHE_MEBIBYTES
    boot_mebibytes: int = 0
    """What a boot makes in memory: of its own for each worker that boots, in common for those that are forked."""


def read_proof() -> Proof:
    """What the image's build has found out."""
    if not PROOF.is_file():
        return Proof(("the image's build has not tried to fork; build it with self-check --record",))
    record = json.loads(PROOF.read_text())
    return Proof(tuple(record["reasons"]), record["opcache_mebibytes"], record["boot_mebibytes"])


def prove(console: Path, receivers: Sequence[str], php: Mapping[str, Any], variables: dict[str, str]) -> Proof:
    """Boot it twice, run a worker once, and write the verdict and the worker's classes beside this package."""
    CLASSES.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "facts"
        boots: tuple[dict[str, str], ...] = (ONLY_BOOT, {})
        first, second = (
            _boot(console, receivers, file, variables | boot | _names(number)) for number, boot in enumerate(boots)
        )
        boot = round(second.get("bootKibibytes", 0) / 1024)
        proof = Proof(tuple(judge(first, second, php)), opcache_mebibytes(second), boot)
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
        "PHP_INI_SCAN_DIR": f"{variables['PHP_INI_SCAN_DIR']}:{HERE / 'fork'}",
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
    """Reasons not to fork this application, each with what to change."""
    if php.get("prepended"):
        yield f"auto_prepend_file is set (got {php['prepended']}), and the parent needs it; take it out"
    failed = first.get("failed") or second.get("failed")
    if failed:
        yield str(failed)
        return
    yield from _unable(second)
    yield from _shared(second)
    yield from _alike(second)
    yield from _differences(first["state"], second["state"])


def _unable(boot: Mapping[str, Any]) -> Iterator[str]:
    if boot["missing"]:
        names = ", ".join(boot["missing"])
        yield f"PHP lacks {names} (not installed, or in disable_functions); install pcntl and posix"
    if not boot["arguments"]:
        yield "its console reads its arguments in a way of its own, so workers could not get time limits of their own"
    for name in sorted(set(boot["extensions"]) & EXTENSIONS.keys()):
        yield f"the extension {name}: {EXTENSIONS[name]}; leave it out of the consumer's image"


def _shared(boot: Mapping[str, Any]) -> Iterator[str]:
    for opened in boot["descriptors"]:
        yield f"booting has opened {opened}, which all workers would share; open it when it is first needed"
    if boot["threads"] > 1:
        yield f"booting has started threads (got {boot['threads']}), which no child has; start them when needed"


def _alike(boot: Mapping[str, Any]) -> Iterator[str]:
    for place in boot["generators"]:
        yield f"a random generator is seeded while booting ({place}), so all workers would draw the same; seed it later"
    draws = boot.get("draws", [])
    if len(draws) > len(set(draws)):
        yield (
            "booting calls lcg_value() or uniqid() with more entropy, which PHP seeds once: all workers would draw "
            "the same; call random_int() or random_bytes()"
        )


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[str]:
    # A time, a pid, a random id: whatever a second boot makes anew, a fork would give to everybody.
    places = sorted(place for place in first.keys() | second.keys() if first.get(place) != second.get(place))
    for place in places[:SHOWN_DIFFERENCES]:
        yield (
            f"booting makes a value that is another at each boot, and would be the same in all workers: {place}; "
            "make it when it is first asked for"
        )
    if len(places) > SHOWN_DIFFERENCES:
        yield f"and {len(places) - SHOWN_DIFFERENCES} more such values"


def opcache_mebibytes(boot: Mapping[str, Any]) -> int:
    """Shared memory for compiled code."""
    used = boot.get("opcacheBytes") or 0
    return max(LEAST_OPCACHE_MEBIBYTES, OPCACHE_FACTOR * round(used / 1048576))
