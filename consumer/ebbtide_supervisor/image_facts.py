"""What the image is made of, asked from PHP, the console and the files. Judged in `image_rules`."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent.parent
# A console that compiles its container on two slow cores; it must not hang a build.
COMMAND_SECONDS: Final = 120


@dataclass(frozen=True)
class Transport:
    """One receiver of the application. An option is a string, a number, or `%env(NAME)%` when only that is known."""

    name: str
    dsn: str
    options: Mapping[str, Any]

    @property
    def scheme(self) -> str:
        scheme = self.dsn.partition(":")[0].removesuffix("s")
        return {"postgre": "doctrine", "phpamqplib": "amqp"}.get(scheme, scheme)


@dataclass(frozen=True)
class ImageFacts:
    """None means: could not be found out; `errors` says why. `unchecked` is what cannot be asked just here."""

    php: Mapping[str, Any] | None = None
    console_version: str | None = None
    messenger_version: str | None = None
    transports: Sequence[Transport] = ()
    stop_workers_in: Sequence[str] = ()
    errors: Sequence[str] = ()
    unchecked: Sequence[str] = ()


def gather(console: Path, variables: Mapping[str, str]) -> ImageFacts:
    """Ask for everything; later questions are skipped when an earlier one makes them senseless."""
    errors: list[str] = []
    php = _json(["php", str(HERE / "facts.php")], errors)
    if php is None or not console.is_file():
        return ImageFacts(php=php, errors=errors)
    version = _output(["php", str(console), "--version", "--no-ansi"], errors)
    transports: list[Transport] = []
    if version is not None:
        transports = _transports(console, variables, errors)
    # Asking for the container compiles it, which on a read-only root only works while the image is built.
    unchecked = [error for error in errors if re.search(r"Unable to (write|create)", error)]
    symfony = re.search(r"Symfony v?([0-9][^ ]*)", version or "")
    return ImageFacts(
        php=php,
        console_version=symfony[1] if symfony else None,
        messenger_version=php["messenger"] or _debian_version() or (symfony[1] if symfony else None),
        transports=transports,
        stop_workers_in=_stop_workers_in(console),
        errors=[error for error in errors if error not in unchecked],
        unchecked=unchecked,
    )


def _transports(console: Path, variables: Mapping[str, str], errors: list[str]) -> list[Transport]:
    # The compiled container knows what YAML, XML, PHP and attributes say; no file format has to be read here.
    listing = _json(
        ["php", str(console), "debug:container", "--tag=messenger.receiver", "--show-arguments", "--format=json"],
        errors,
    )
    parameters = _json(["php", str(console), "debug:container", "--parameters", "--format=json"], errors) or {}
    defaults = {name[4:-1]: str(value) for name, value in parameters.items() if name.startswith("env(")}
    variables = defaults | dict(variables)
    transports = []
    for definition in (listing or {}).get("definitions", {}).values():
        arguments = definition.get("arguments", [])
        if len(arguments) < 2 or not isinstance(arguments[0], str) or not isinstance(arguments[1], dict):
            continue
        dsn = resolve(arguments[0], variables)
        # What stands in the DSN wins over the options.
        query = {key: values[-1] for key, values in parse_qs(urlsplit(dsn).query).items()}
        options = {key: resolve(value, variables) for key, value in arguments[1].items()} | query
        transports.append(Transport(str(arguments[1].get("transport_name", "?")), dsn, options))
    return transports


def resolve(value: Any, variables: Mapping[str, str]) -> Any:
    """A container's value with environment variables filled in, or `%env(NAME)%` for one that is not set here.

    The compiled container writes a variable as `env_<16 hex>_<processors>_<NAME>_<32 hex>`.
    """
    if not isinstance(value, str):
        return value
    value = re.sub(r"env_[0-9a-f]{16}_(?:[a-z0-9]+_)*?([A-Z]\w*?)_[0-9a-f]{32}", r"%env(\1)%", value)

    def fill(match: re.Match[str]) -> str:
        name = match[1].rpartition(":")[2]
        # A name per process is the point of this one: any value set here is not the worker's.
        return f"%env({name})%" if name == "MESSENGER_CONSUMER_NAME" else variables.get(name, f"%env({name})%")

    return re.sub(r"%env\(([^)]*)\)%", fill, value)


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
        return dict(json.loads(text))
    except ValueError:
        errors.append(f"{' '.join(argv[:3])}: gave no JSON (got {text[:80]!r})")
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
