"""The self-check: an image that would lose messages is refused, and told how to be repaired."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from ebbtide_supervisor.dsn import query_of
from ebbtide_supervisor.environment import Environment, read_environment
from ebbtide_supervisor.image_facts import ImageFacts, Transport, resolve, resolve_transports
from ebbtide_supervisor.image_rules import judge_failures, judge_image
from ebbtide_supervisor.php_numbers import cast
from ebbtide_supervisor.rule_texts import IMAGE_RULES
from tests.consumer.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PHP = {"version": "8.2.0", "sapi": "cli", "signals": True, "opcache": True, "memoryLimit": "256M", "messenger": None}
REDIS = {"consumer": "%env(MESSENGER_CONSUMER_NAME)%", "redeliver_timeout": 90, "claim_interval": 5000}


LOOKS = {"check_delayed_interval": 5000}


def environment() -> Environment:
    checked, _ = read_environment({"EBBTIDE_LONGEST_MESSAGE_SECONDS": "60"})
    assert checked is not None
    return checked


def facts(**changes: Any) -> ImageFacts:
    sound = {
        "php": PHP,
        "console_version": "6.4.0",
        "messenger_version": "6.4.0",
        "transports": [Transport("events", "redis://redis/stream", REDIS)],
    }
    return ImageFacts(**(sound | changes))


def redis(dsn: str = "redis://redis/stream", **options: object) -> dict[str, Any]:
    return {"transports": [Transport("events", dsn, {**REDIS, **options})]}


def amqp(options: dict[str, Any] | None = None, **kept: Any) -> dict[str, Any]:
    return {"transports": [Transport("events", "amqp://rabbit", options or {}, **kept)]}


def sqs(**options: object) -> dict[str, Any]:
    return {"transports": [Transport("events", "https://sqs.eu-west-1.amazonaws.com/1/mail", options)]}


def test_every_rule_about_an_image_speaks_in_some_test_and_every_id_is_a_rule() -> None:
    sources = (ROOT / "consumer" / "ebbtide_supervisor").glob("*.py")
    spoken = {rule for file in sources for rule in re.findall(r'Finding\(\s*"(I-[0-9]{2})"', file.read_text())}
    assert spoken == set(IMAGE_RULES)


def test_a_sound_image_has_no_findings() -> None:
    assert judge_image(facts(), environment()) == []


NAMELESS = {name: value for name, value in REDIS.items() if name != "consumer"}
REFUSED = [
    ({"php": {**PHP, "signals": False}}, "pcntl", "install pcntl"),
    ({"php": {**PHP, "sapi": "fpm-fcgi"}}, "fpm-fcgi", "CLI image"),
    ({"php": {**PHP, "memoryLimit": "128M"}}, "128M", "memory_limit"),
    ({"messenger_version": "v6.3.5"}, "6.3.5", "6.3.6 or later"),
    ({"messenger_version": "6.3.5+dfsg-1"}, "6.3.5", "6.3.6 or later"),
    ({"stop_signals": [2, 3]}, "[2, 3]", "add SIGTERM"),
    ({"stop_workers_in": ["bin/deploy.sh"]}, "bin/deploy.sh", "take it out"),
    (redis("rediss://redis/stream", consumer="consumer"), "consumer", "%env(MESSENGER_CONSUMER_NAME)%"),
    (redis("redis://redis/stream/group/fixed", consumer="fixed"), "fixed", "%env(MESSENGER_CONSUMER_NAME)%"),
    # The path wins over the option.
    (redis("redis://redis/stream/group/fixed"), "fixed", "take it out of the DSN's path, and set the option consumer"),
    # Without the option the name is the third part of the DSN's path, and `consumer` without that.
    *(
        (
            {"transports": [Transport("events", dsn, NAMELESS)]},
            f"(got '{name}')",
            "%env(MESSENGER_CONSUMER_NAME)%",
        )
        for dsn, name in (
            ("redis://redis/stream/group/fixed", "fixed"),
            ("redis://redis/stream/group", "consumer"),
            ("redis://redis", "consumer"),
        )
    ),
    (redis(redeliver_timeout=60), "60 s", "set 90"),
    (redis(redeliver_timeout="30"), "30 s", "set 90"),
    ({"transports": [Transport("events", "doctrine://default", {**LOOKS, "redeliver_timeout": 10})]}, "10 s", "set 90"),
    (
        {"transports": [Transport("events", "amqp://rabbit", {"heartbeat": "30"}, 3, True)]},
        "got 30 s",
        "take heartbeat out",
    ),
    (
        {"transports": [Transport("events", "amqps://rabbit", {"heartbeat": 10}, 3, True)]},
        "got 10 s",
        "take heartbeat out",
    ),
    # What PHP takes for another number than it looks like: Redis' transport for 0, Doctrine's for what it begins with.
    *(
        (redis(redeliver_timeout=text), f"got {text!r}, which PHP takes for 0 s", "set 90")
        for text in ("240.0", "4m", "0240", "1e3", "", 240.5)
    ),
    (redis(redeliver_timeout=-90), "-90 s", "set 90"),
    (
        {"transports": [Transport("events", "doctrine://default", {**LOOKS, "redeliver_timeout": "4m"})]},
        "got '4m', which PHP takes for 4 s",
        "set 90",
    ),
    ({"transports": [Transport("events", "amqp://rabbit", {"heartbeat": "20.0"}, 3, True)]}, "got 20 s", "take heart"),
    (sqs(visibility_timeout="50.0", buffer_size="1"), "got 50 s", "set buffer_size to 1"),
    (amqp(max_retries=0), "max_retries is 0", "name a failure_transport"),
    (sqs(visibility_timeout=70), "got 70 s", "set buffer_size to 1"),
    ({"errors": ["php bin/console: failed with status 255 (got 'Fatal error')"]}, "Fatal error", "failed"),
]


@pytest.mark.parametrize(("changes", "culprit", "remedy"), REFUSED)
def test_an_image_that_would_lose_messages_is_refused(changes: dict[str, Any], culprit: str, remedy: str) -> None:
    (finding,) = judge_image(facts(**changes), environment())
    assert finding.is_error
    assert culprit in finding.text
    assert remedy in finding.text


WARNED = [
    ({"unchecked": ["Unable to write in the cache directory"], "transports": []}, "not checked here"),
    ({"php": {**PHP, "opcache": False}}, "opcache"),
    (redis(redeliver_timeout=3600), "stays away for 3605 s (redeliver_timeout 3600 s and claim_interval 5000 ms"),
    (redis(redeliver_timeout=116), "stays away for 121 s"),
    (redis(claim_interval=60000), "claim_interval to 5000"),
    (
        {"transports": [Transport("events", "doctrine://default", LOOKS)]},
        "events: a killed worker's message stays away for 3600 s, on PostgreSQL 3605 s (redeliver_timeout 3600 s and",
    ),
    (
        {"transports": [Transport("events", "doctrine://default", {"redeliver_timeout": 90})]},
        "events: on PostgreSQL a killed worker's message stays away for 150 s",
    ),
    (
        {"transports": [Transport("events", "doctrine://x", {"redeliver_timeout": 90, "check_delayed_interval": 0})]},
        "with check_delayed_interval 0",
    ),
    (amqp(max_retries=3), "uses up one of 3 retries"),
    (amqp(), "how many retries it has is not known here"),
    (redis(redeliver_timeout=None), "stays away for 3605 s"),
    (redis(stream_max_entries=1000), "stream_max_entries trims the stream (got 1000)"),
    (
        amqp({"queues": {"mail": {"arguments": {"x-max-length": 10}}}}, max_retries=0, has_failure_transport=True),
        "queue mail has the argument x-max-length",
    ),
    (sqs(), "got none; a queue of AWS' default has 30 s"),
    (sqs(buffer_size="%env(N)%"), "runs for all messages that a worker fetches at once, and one may take 60 s"),
    ({"transports": [Transport("events", "%env(DSN)%", {})]}, "not checked before the container starts"),
    ({"transports": [Transport("events", "gps://default", {})]}, "of a kind that no rule knows (got gps)"),
    ({"transports": [Transport("events", "beanstalkd://b", {})]}, "of a kind that no rule knows (got beanstalkd)"),
]


@pytest.mark.parametrize(("changes", "words"), WARNED)
def test_what_only_costs_time_is_a_warning(changes: dict[str, Any], words: str) -> None:
    (finding,) = judge_image(facts(**changes), environment())
    assert not finding.is_error
    assert words in finding.text


@pytest.mark.parametrize(
    ("dsn", "options"),
    [
        ("redis://redis/stream/group/%env(MESSENGER_CONSUMER_NAME)%", NAMELESS),
        ("amqp://rabbit/%2f/events", {}),
        ("amqp://rabbit", {"heartbeat": 0}),
        ("amqp://rabbit", {"queues": {"mail": {"arguments": {"x-queue-type": "quorum"}}}}),
        ("sqs://default/mail", {"buffer_size": 1, "visibility_timeout": 90}),
        ("redis://redis/s/g/%env(MESSENGER_CONSUMER_NAME)%", {**REDIS, "stream_max_entries": 0}),
        ("amqp://rabbit", {"heartbeat": 31}),  # two missed ones are 62 s, the longest message takes 60
        ("sync://", {}),
        # Of several servers the last one's path counts, and a socket's is none of a stream.
        ("redis://r1/s,redis://r2/s", REDIS),
        ("redis://r1/s/g,redis://app:hunter2@r2/s/g", REDIS),
        ("redis:///run/redis/redis.sock", REDIS),
        ("doctrine://default", {"redeliver_timeout": "9e1", "use_notify": False}),
        ("schedule://default", {}),
        ("redis://redis/s/g/%env(MESSENGER_CONSUMER_NAME)%", REDIS),
        ("redis://redis/s", {**REDIS, "redeliver_timeout": 100, "claim_interval": 15000}),
        ("doctrine://default", {"redeliver_timeout": 90, "use_notify": False}),
        ("doctrine://default", {"redeliver_timeout": "90.0", "use_notify": False}),
        ("redis://redis/s", {**REDIS, "redeliver_timeout": " +90 "}),
        ("redis://redis/s", {**REDIS, "redeliver_timeout": 90.0}),
        ("redis://redis/s/g/%env(MESSENGER_CONSUMER_NAME)%", {**REDIS, "consumer": "another"}),
        ("redis://redis/s", {**REDIS, "stream_max_entries": "10.0"}),
    ],
)
def test_transports_that_need_nothing_get_no_finding(dsn: str, options: dict[str, Any]) -> None:
    transport = Transport("events", dsn, options, has_failure_transport=True)
    assert judge_image(facts(transports=[transport]), environment()) == []


def test_a_table_that_is_never_looked_at_again_is_judged_by_its_timeout_too() -> None:
    """Of another database than PostgreSQL that interval is none at all."""
    table = Transport("events", "doctrine://default", {"check_delayed_interval": 0, "redeliver_timeout": 10})
    assert [one.rule for one in judge_image(facts(transports=[table]), environment())] == ["I-12", "I-09"]


def test_an_option_that_only_the_container_knows_is_left_to_the_container() -> None:
    assert judge_image(facts(**redis(redeliver_timeout="%env(REDELIVER)%")), environment()) == []


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("env_5f8002e323588d7c_DSN_c26541b5f4f95b08d9f0cd7d3ca96587", "redis://a"),
        ("env_5f8002e323588d7c_int_SECONDS_c76e352e18bcabb0bc5c55e960d53af6", "7"),
        ("%env(int:SECONDS)%", "7"),
        ("env_5f8002e323588d7c_OTHER_c26541b5f4f95b08d9f0cd7d3ca96587", "%env(OTHER)%"),
        ("%env(MESSENGER_CONSUMER_NAME)%", "%env(MESSENGER_CONSUMER_NAME)%"),
        ("a/env_5f8002e323588d7c_DSN_c26541b5f4f95b08d9f0cd7d3ca96587/b", "a/redis://a/b"),
        (5000, 5000),
    ],
)
def test_a_compiled_container_s_variables_are_read(value: object, resolved: object) -> None:
    variables = {"DSN": "redis://a", "SECONDS": "7", "MESSENGER_CONSUMER_NAME": "set-by-hand"}
    assert resolve(value, variables) == resolved


def test_an_option_in_the_dsn_wins_over_the_configured_one() -> None:
    recorded = {"transports": [["events", "%env(DSN)%", {"redeliver_timeout": 90}]], "defaults": {}}
    (transport,) = resolve_transports(recorded, {"DSN": "redis://redis?redeliver_timeout=7"})
    assert transport.options["redeliver_timeout"] == "7"


@pytest.mark.parametrize(
    ("value", "number"),
    [("1e3", 1000), ("1.9e2", 190), (".5e1", 5), ("9" * 5000, 2**63), (float("inf"), 0), (float("nan"), 0), ("e3", 0)],
)
def test_a_number_is_what_php_takes_it_for(value: Any, number: int) -> None:
    assert cast(value) == number


def application_of(failing: dict[str, str], **dsns: str) -> list[Transport]:
    names = [[name, dsn, {"queue_name": name} if dsn.endswith("default") else {}] for name, dsn in dsns.items()]
    return resolve_transports({"transports": names, "defaults": {}, "failing": failing}, {})


CHAIN = {"mail": "failed", "failed": "dead", "dead": "failed"}


@pytest.mark.parametrize(
    ("failing", "dsns", "command", "words"),
    [
        ({"mail": "failed", "failed": "failed"}, {"mail": "amqp://r/%2f/mail", "failed": "doctrine://default"}, "", ""),
        ({"mail": "failed"}, {"mail": "amqp://r/%2f/mail", "failed": "in-memory://"}, "", "keeps nothing"),
        ({"mail": "failed"}, {"mail": "amqp://r", "failed": "amqp://r?heartbeat=0"}, "", "lies in the queue of mail"),
        ({"mail": "failed"}, {"mail": "redis://r/m", "failed": "redis://r/m/other"}, "", "lies in the queue of mail"),
        ({"mail": "failed"}, {"mail": "redis://r/m", "failed": "redis://r/failed"}, "", ""),
        ({"mail": "failed"}, {"mail": "doctrine://default", "failed": "doctrine://default"}, "", ""),
        (CHAIN, {"mail": "amqp://r/%2f/mail", "failed": "doctrine://default"}, "mail", ""),
        (CHAIN, {"mail": "amqp://r/%2f/mail", "failed": "doctrine://default"}, "mail failed", "is consumed"),
        (CHAIN, {"mail": "amqp://r/%2f/mail", "failed": "doctrine://default"}, "--all", "is consumed"),
        (CHAIN, {"failed": "doctrine://default"}, "--all --exclude-receivers failed", ""),
        (CHAIN, {"failed": "doctrine://default"}, "--all --exclude-receivers=mail", "is consumed"),
    ],
)
def test_what_has_failed_is_kept_apart_and_waits_for_somebody(
    failing: dict[str, str], dsns: dict[str, str], command: str, words: str
) -> None:
    argv = ["php", "bin/console", "messenger:consume", *command.split()] if command else []
    found = [str(one) for one in judge_failures(application_of(failing, **dsns), argv)]
    assert [words in text and text.endswith("[I-26]") for text in found] == [True] * bool(words)


def test_a_number_of_retries_is_read_where_the_container_runs() -> None:
    recorded = {"transports": [["mail", "amqp://r", {}]], "defaults": {}}
    for said, variables, most in (
        (2, {}, 2),
        ("%env(int:TRIES)%", {"TRIES": "0"}, 0),
        ("%env(int:TRIES)%", {}, None),
        (None, {}, None),
    ):
        retries = {} if said is None else {"mail": said}
        (transport,) = resolve_transports({**recorded, "retries": retries}, variables)
        assert transport.max_retries == most


FAKE_PHP = """#!/bin/sh
case "$*" in
*facts.php) echo '{php}' ;;
*--version*) echo 'Symfony 6.4.1 (env: prod, debug: false)' ;;
*--parameters*) echo '{{"env(REDELIVER)": "20"}}' ;;
*--tag=messenger.receiver*) echo '{transports}' ;;
*messenger_consume_messages*) echo '{{"arguments": [{{"type": "service"}}, ["events"], null, [15, 2]]}}' ;;
*) exit 9 ;;
esac
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application whose PHP is a script: what is tested is the way from its answers to the exit status."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/console").touch()
    options = {"transport_name": "events", "redeliver_timeout": "%env(int:REDELIVER)%", "consumer": "c"}
    definition = {"arguments": ["%env(DSN)%", options, {"type": "service"}]}
    script = FAKE_PHP.format(php=json.dumps(PHP), transports=json.dumps({"definitions": {"t": definition}}))
    (tmp_path / "php").write_text(script)
    (tmp_path / "php").chmod(0o755)
    return tmp_path


def self_check(image: Path, application: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{application}:{os.environ['PATH']}"
    environment = {"PATH": path, "EBBTIDE_LONGEST_MESSAGE_SECONDS": "60", "DSN": "redis://redis/s", **variables}
    argv = [str(image / "self-check"), *command]
    return subprocess.run(argv, env=environment, cwd=application, capture_output=True, text=True, check=False)


def test_the_self_check_reads_the_application_and_refuses_it(image: Path, application: Path) -> None:
    done = self_check(image, application)
    assert done.returncode == 1
    assert "one Redis consumer name for all workers (got 'c')" in done.stderr
    assert "redeliver_timeout is not above the longest message (got 20 s" in done.stderr, "a default was not read"


def test_a_variable_of_the_container_wins_over_the_application_s_default(image: Path, application: Path) -> None:
    assert "not above the longest message" not in self_check(image, application, REDELIVER="90").stderr


def test_the_self_check_judges_the_worker_s_command_too(image: Path, application: Path) -> None:
    done = self_check(image, application, "php", "bin/console", "messenger:consume")
    assert "names no receiver" in done.stderr


def test_a_read_only_container_is_told_what_is_not_checked_there(image: Path, application: Path) -> None:
    text = (application / "php").read_text()
    unable = "*debug:container*) echo 'Unable to write in the \\\"cache\\\" directory' >&2; exit 1 ;;\n*--tag"
    (application / "php").write_text(
        text.replace("*--parameters*) echo", "*--parameters-not*) echo").replace("*--tag", unable, 1)
    )
    done = self_check(image, application)
    assert done.returncode == 0, done.stderr
    assert "warning: transports: not checked here" in done.stderr


@pytest.fixture
def repaired(application: Path) -> Path:
    """The application without what it is refused for."""
    text = (application / "php").read_text()
    for old, remedy in {'"consumer": "c"': "%env(MESSENGER_CONSUMER_NAME)%", '"20"': "90"}.items():
        text = text.replace(old, old.rpartition(" ")[0] + f' "{remedy}"')
    (application / "php").write_text(text)
    return application


def test_building_the_image_compiles_what_a_worker_s_boot_needs(image: Path, repaired: Path, tmp_path: Path) -> None:
    text = (repaired / "php").read_text()
    help_case = '*"help messenger:consume"*) echo compiled > "$EBBTIDE_OPCACHE_DIRECTORY/code" ;;\n*--version'
    (repaired / "php").write_text(text.replace("*--version", help_case, 1))
    directory = tmp_path / "opcache"
    directory.mkdir()
    done = self_check(image, repaired, EBBTIDE_OPCACHE_DIRECTORY=str(directory))
    assert done.returncode == 0, done.stderr
    assert (directory / "code").read_text() == "compiled\n"


def test_the_signals_that_a_worker_finishes_on_are_read(image: Path, application: Path) -> None:
    assert "stop_worker_on_signals" not in self_check(image, application).stderr
    text = (application / "php").read_text()
    (application / "php").write_text(text.replace("[15, 2]", "[2]"))
    assert "stop_worker_on_signals: SIGTERM is not in it (got [2])" in self_check(image, application).stderr


@pytest.mark.parametrize(
    ("found", "start", "end"),
    [
        (([], []), "fork: found nothing in the boot that workers must not share", "docs/forked-workers.md"),
        (
            (["booting has opened socket:[4711]"], []),
            "warning: fork: workers of this image boot by themselves",
            "[I-19]",
        ),
        (([], ["it is not known here whether the extensions uuid live"]), "warning: fork: workers of this", "[I-28]"),
    ],
    ids=["nothing", "a reason", "a doubt"],
)
def test_an_image_can_be_asked_what_its_build_has_found_about_forking(
    image: Path, application: Path, found: tuple[list[str], list[str]], start: str, end: str
) -> None:
    reasons, doubts = found
    proof = {"reasons": reasons, "doubts": doubts, "opcache_mebibytes": 64, "boot_mebibytes": 9}
    (image / "fork.json").write_text(json.dumps(proof))
    try:
        told_by = [line for line in self_check(image, application).stderr.splitlines() if "fork:" in line]
    finally:
        (image / "fork.json").unlink()
    (line,) = told_by
    assert line.startswith(f"self-check: {start}"), "a team could not know which of its images may be forked"
    assert line.endswith(end)
    assert ("9 MiB" in line) == (not reasons + doubts)
    assert "fork" not in self_check(image, application).stderr, "what nobody has looked at is not judged"


@pytest.mark.parametrize(("reasons", "status"), [([], 0), (["booting has started threads"], 1)])
def test_an_image_that_is_to_be_forked_is_refused_when_it_cannot_be(
    image: Path, repaired: Path, reasons: list[str], status: int
) -> None:
    proof = {"reasons": reasons, "doubts": ["the extensions uuid"], "opcache_mebibytes": 64, "boot_mebibytes": 9}
    (image / "fork.json").write_text(json.dumps(proof))
    try:
        asked = self_check(image, repaired, EBBTIDE_WORKER_START="fork")
        unasked = self_check(image, repaired)
    finally:
        (image / "fork.json").unlink()
    assert asked.returncode == status, "a pod whose request was measured with forked workers would boot each"
    assert ("[I-25]" in asked.stderr) == bool(reasons)
    assert unasked.returncode == 0, "who has not asked for it loses nothing"


@pytest.mark.parametrize("answer", ["null", "[1, 2]", "[[1, 2]]", "7", '"text"'])
@pytest.mark.parametrize("asked", ["--tag=messenger.receiver*", "--parameters*", "facts.php"])
def test_an_answer_that_is_json_and_no_object_is_one_line(image: Path, repaired: Path, asked: str, answer: str) -> None:
    text = (repaired / "php").read_text()
    (repaired / "php").write_text(text.replace(f"*{asked})", f"*{asked}) echo '{answer}'; exit ;;\n*{asked})", 1))
    done = self_check(image, repaired)
    assert done.returncode == 1
    assert f"gave no JSON object (got {answer + chr(10)!r})" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_application_without_a_transport_is_read(image: Path, repaired: Path) -> None:
    """PHP writes an array without an entry as [], whatever its keys would be."""
    text = (repaired / "php").read_text()
    for asked, answer in (("--tag=messenger.receiver*", '{"definitions": []}'), ("--parameters*", "[]")):
        text = text.replace(f"*{asked})", f"*{asked}) echo '{answer}'; exit ;;\n*{asked})", 1)
    (repaired / "php").write_text(text)
    done = self_check(image, repaired)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_an_image_without_php_is_refused(image: Path, application: Path) -> None:
    (application / "php").unlink()
    path = "/usr/bin/env-without-php"
    done = self_check(image, application, PATH=path)
    assert done.returncode == 1
    assert "php: cannot be run" in done.stderr


def test_an_application_without_a_console_is_refused(image: Path, application: Path) -> None:
    (application / "bin/console").unlink()
    done = self_check(image, application)
    assert done.returncode == 1
    assert "console: bin/console does not exist" in done.stderr


def test_another_kind_of_worker_needs_no_php(image: Path, tmp_path: Path) -> None:
    done = self_check(image, tmp_path, EBBTIDE_WORKER_KIND="command")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_pins_the_supervisor_that_these_tests_run() -> None:
    import importlib.metadata

    version = importlib.metadata.version("supervisor")
    assert f"supervisor=={version} --hash=sha256:" in (ROOT / "consumer/requirements.txt").read_text()


def test_every_file_of_the_image_is_laid_out() -> None:
    """The laboratory and the Dockerfile run `build`; these tests copy. Both must hold the same files."""
    script = (ROOT / "consumer/build").read_text()
    laid_out = script.partition("for name in ")[2].partition(";")[0].split()
    outside = {"build", "requirements.txt", "ebbtide_supervisor", "fork", "celery", "php"}
    files = {path.name for path in (ROOT / "consumer").iterdir() if not path.name.startswith(".")}
    assert set(laid_out) == files - outside - {"__pycache__"}


def test_a_base_image_whose_python_is_too_old_is_refused_with_the_remedy(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -c ] && echo 3.9 && exit 1\nexit 0\n')
    old.chmod(0o755)
    shutil.copytree(ROOT / "consumer", tmp_path / "consumer")
    build = tmp_path / "consumer/build"
    build.write_text(build.read_text().replace("/usr/bin/python3", str(old)))
    argv = [str(build), str(tmp_path / "out")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "got 3.9" in done.stderr
    assert "Debian 12" in done.stderr


def test_the_dockerfile_keeps_the_signal_s_way_free() -> None:
    instructions = (ROOT / "Dockerfile").read_text().splitlines()
    assert instructions[-3:] == ["USER 10001:10001", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["/opt/ebbtide/entrypoint"]'], (
        "a shell as PID 1 passes no signal on, and a worker must not run as root"
    )


def test_a_base_image_without_apt_ends_the_build_at_once_with_what_to_take(tmp_path: Path) -> None:
    """Alpine's, for one. Its shell is busybox's, here it is this machine's: the line is plain POSIX."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    first = next(line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN "))
    alpine = tmp_path / "os-release"
    alpine.write_text('NAME="Alpine Linux"\nPRETTY_NAME="Alpine Linux v3.22"\n')
    script = first.replace("/etc/os-release", str(alpine))
    for shell in filter(None, map(shutil.which, ("sh", "dash", "busybox"))):
        command = [shell, "sh", "-c", script] if shell.endswith("busybox") else [shell, "-c", script]
        done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(
            "ebbtide: the base image is Alpine Linux v3.22, and the consumer image is built on"
        )
        assert len(done.stderr.splitlines()) == 1
    (tmp_path / "apt-get").write_text("#!/bin/sh\n")
    (tmp_path / "apt-get").chmod(0o755)
    assert subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, check=False).returncode == 0


def test_an_option_without_a_value_is_one_and_of_two_the_last_one_counts():
    assert query_of("redis://r/s?redeliver_timeout=&stream_max_entries=1&stream_max_entries=2") == {
        "redeliver_timeout": "",
        "stream_max_entries": "2",
    }
