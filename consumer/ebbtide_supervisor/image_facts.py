"""What the image is made of, asked from PHP, the console and the files. Judged in `image_rules`."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ebbtide_supervisor.dsn import query_of
from ebbtide_supervisor.php_numbers import cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent.parent
RECORD: Final = HERE / "transports.json"
# A console that compiles its container on two slow cores; it must not hang a build.
COMMAND_SECONDS: Final = 120


@dataclass(frozen=True)
class Transport:
    """One receiver of the application. An option is a string, a number, or `%env(NAME)%` when only that is known."""

    name: str
    dsn: str
    options: Mapping[str, Any]
    max_retries: int | None = None  # None: its retry strategy is one of the application's own, or not known
    has_failure_transport: bool = False
    takes_failed_of: Sequence[str] = ()
    """The transports whose failure transport it is, itself left out."""

    @property
    def scheme(self) -> str:
        """The kind of broker: `rediss` and `valkey` are Redis too."""
        scheme = self.dsn.partition(":")[0]
        if self.dsn.startswith("https://sqs."):
            return "sqs"
        return "redis" if scheme in ("redis", "rediss", "valkey", "valkeys") else scheme


@dataclass(frozen=True)
class ImageFacts:
    """None means: could not be found out; `errors` says why. `unchecked` is what cannot be asked just here."""

    php: Mapping[str, Any] | None = None
    console_version: str | None = None
    messenger_version: str | None = None
    transports: Sequence[Transport] = ()
    stop_signals: Sequence[int] | None = None  # None: Messenger's default, which has SIGTERM
    stop_workers_in: Sequence[str] = ()
    errors: Sequence[str] = ()
    unchecked: Sequence[str] = ()


def gather(console: Path, variables: Mapping[str, str], *, record: bool = False) -> ImageFacts:
    """Ask for everything; later questions are skipped when an earlier one makes them senseless.

    With `record` the transports are written beside this package, for containers whose root is read-only.
    """
    errors: list[str] = []
    php = _json(["php", str(HERE / "facts.php")], errors)
    if php is None or not console.is_file():
        return ImageFacts(php=php, errors=errors)
    version = _output(["php", str(console), "--version", "--no-ansi"], errors)
    recorded = _ask_container(console, errors) if version is not None else None
    # Asking for the container compiles it, which on a read-only root only works while the image is built.
    unchecked = [error for error in errors if re.search(r"Unable to (write|create)", error)]
    if record and recorded is not None:
        RECORD.write_text(json.dumps(recorded))
    elif unchecked and RECORD.is_file():
        unchecked, recorded, errors = [], json.loads(RECORD.read_text()), [e for e in errors if e not in unchecked]
    symfony = re.search(r"Symfony v?([0-9][^ ]*)", version or "")
    return ImageFacts(
        php=php,
        console_version=symfony[1] if symfony else None,
        messenger_version=php["messenger"] or _debian_version() or (symfony[1] if symfony else None),
        transports=resolve_transports(recorded, variables) if recorded is not None else (),
        stop_signals=recorded.get("stopSignals") if recorded is not None else None,
        stop_workers_in=_stop_workers_in(console),
        errors=[error for error in errors if error not in unchecked],
        unchecked=unchecked,
    )


def recorded_transports(variables: Mapping[str, str]) -> list[Transport]:
    """The transports as they were when the image was built, with the variables of this container."""
    return resolve_transports(json.loads(RECORD.read_text()), variables) if RECORD.is_file() else []


def _ask_container(console: Path, errors: list[str]) -> dict[str, Any] | None:
    """`{"transports": [[name, dsn, options], ...], "defaults": {variable: value}, "stopSignals": [15, ...] or None,
    "retries": {transport: most}, "failing": {transport: its failure transport}}`.

    Variables are written `%env(NAME)%`.
    """
    # The compiled container knows what YAML, XML, PHP and attributes say; no file format has to be read here.
    ask = ["php", str(console), "debug:container", "--format=json"]
    listing = _json([*ask, "--tag=messenger.receiver", "--show-arguments"], errors)
    parameters = _json([*ask, "--parameters"], errors)
    if listing is None or parameters is None:
        return None
    transports = []
    for definition in dict(listing.get("definitions") or {}).values():
        arguments = definition.get("arguments", [])
        if len(arguments) > 1 and isinstance(arguments[0], str) and isinstance(arguments[1], dict):
            options = {key: _plain(value) for key, value in arguments[1].items()}
            transports.append([str(options.get("transport_name", "?")), _plain(arguments[0]), options])
    defaults = {name[4:-1]: str(value) for name, value in parameters.items() if name.startswith("env(")}
    retries = {name: most for name, *_ in transports if (most := _max_retries(ask, name)) is not None}
    return {
        "transports": transports,
        "defaults": defaults,
        "stopSignals": _stop_signals(ask),
        "retries": retries,
        "failing": _failure_transports(ask),
    }


def _max_retries(ask: Sequence[str], transport: str) -> int | str | None:
    service = _json([*ask, f"messenger.retry.multiplier_retry_strategy.{transport}", "--show-arguments"], []) or {}
    most = next(iter(service.get("arguments", [])), None)
    return _plain(most) if isinstance(most, (int, str)) else None


def _failure_transports(ask: Sequence[str]) -> dict[str, str]:
    """The listener that sends failed messages there has a locator with a transport for each name; without any failure
    transport there is no listener."""
    listener = "messenger.failure.send_failed_message_to_failure_transport_listener"
    for _ in range(2):
        service = _json([*ask, listener, "--show-arguments"], []) or {}
        first = next(iter(service.get("arguments", [])), None)
        if not isinstance(first, dict):
            return {}
        if first.get("type") != "service":
            return {name: _transport_of(sender) for name, sender in sorted(first.items())}
        listener = str(first["id"])
    return {}


def _transport_of(sender: Any) -> str:
    """`messenger.transport.failed` -> `failed`; the id where it is a service of the application's own."""
    return str(sender.get("id", "") if isinstance(sender, dict) else "").removeprefix("messenger.transport.")


def _stop_signals(ask: Sequence[str]) -> list[int] | None:
    """framework.messenger.stop_worker_on_signals: the command's only argument that is a list of numbers."""
    service = _json([*ask, "console.command.messenger_consume_messages", "--show-arguments"], []) or {}
    lists = [value for value in service.get("arguments", []) if isinstance(value, list) and value]
    return next((value for value in lists if all(isinstance(number, int) for number in value)), None)


def resolve_transports(recorded: Mapping[str, Any], variables: Mapping[str, str]) -> list[Transport]:
    """The transports with what the variables say, or the application's default for one that is not set."""
    known, retries = {**recorded["defaults"], **variables}, recorded.get("retries", {})
    failing = recorded.get("failing", {})
    transports = []
    for name, dsn_text, option_texts in recorded["transports"]:
        dsn = resolve(dsn_text, known)
        # What stands in the DSN wins over the options.
        query = query_of(dsn)
        options = {key: resolve(value, known) for key, value in option_texts.items()}
        most = cast(resolve(retries.get(name), known))
        takes = tuple(other for other, target in failing.items() if target == name != other)
        transports.append(Transport(name, dsn, options | query, most, name in failing, takes))
    return transports


def resolve(value: Any, variables: Mapping[str, str]) -> Any:
    """A container's value with environment variables filled in, or `%env(NAME)%` for one that is not set here."""

    def fill(match: re.Match[str]) -> str:
        name = match[1].rpartition(":")[2]
        # A name per process is the point of this one: any value set here is not the worker's.
        return f"%env({name})%" if name == "MESSENGER_CONSUMER_NAME" else variables.get(name, f"%env({name})%")

    return re.sub(r"%env\(([^)]*)\)%", fill, _plain(value)) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """The compiled container writes a variable as `env_<16 hex>_<processors>_<NAME>_<32 hex>`."""
    if not isinstance(value, str):
        return value
    return re.sub(r"env_[0-9a-f]{16}_(?:[a-z0-9]+_)*?([A-Z]\w*?)_[0-9a-f]{32}", r"%env(\1)%", value)


def _debian_version() -> str | None:
    return _output(["dpkg-query", "--show", "--showformat=${Version}", "php-symfony-messenger"], [])


def _stop_workers_in(console: Path) -> list[str]:
    """Files of the application, not of its vendors, that send the fleet-wide signal."""
    root = console.resolve().parent.parent
    candidates = [root / "composer.json", root / "Makefile", *root.glob("*.sh"), *root.glob("bin/*")]
    files = [path for path in candidates if path.is_file()]
    return [str(path.relative_to(root)) for path in files if b"messenger:stop-workers" in path.read_bytes()]


def _json(argv: Sequence[str], errors: list[str]) -> dict[str, Any] | None:
    text = _output(argv, errors)
    if text is None:
        return None
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if answer == []:
        return {}  # PHP's array without an entry
    errors.append(f"{' '.join(argv[:3])}: gave no JSON object (got {text[:80]!r})")
    return None


def _output(argv: Sequence[str], errors: list[str]) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        errors.append(f"{argv[0]}: cannot be run (got {error})")
        return None
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())
        errors.append(f"{' '.join(argv[:3])}: failed with status {done.returncode} (got {words[:300]!r})")
        return None
    return done.stdout
