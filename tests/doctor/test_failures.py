"""Where messages go that have failed for the last time: of all files of an application, as production has them."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import workload

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

PACKAGES = "config/packages/messenger.yaml"
PARKED = "doctrine://default?queue_name=parked&redeliver_timeout=90"
MAIL = "amqp://r/%2f/mail"
ENV = "%env(MESSENGER_TRANSPORT_DSN)%"
SOCKET = {"dsn": "redis:///run/redis.sock", "options": {"stream": "mail"}}


def messenger(failure: Any = "", **transports: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"transports": transports} if transports else {}
    return {"framework": {"messenger": said | ({"failure_transport": failure} if failure != "" else {})}}


def found(*documents: dict[str, Any] | tuple[str, dict[str, Any]], consumes: str = "mail") -> dict[str, str]:
    """What D-72 and D-73 say, by id; each document of the application's own file, or of one that is named."""
    command = ["php", "bin/console", "messenger:consume", *consumes.split()]
    files = [File("a.yaml", workload(command))]
    for document in documents:
        name, said = document if isinstance(document, tuple) else (PACKAGES, document)
        files.append(File(name, quick_yaml.dump(said)))
    report = diagnose_files(tuple(files))
    return {
        one.rule: f"{one.subject} {one.message}" for one in report.diagnoses if one.rule.startswith(("D-72", "D-73"))
    }


def test_of_two_transports_the_one_without_a_failure_transport_is_named():
    said = found(messenger(mail={"dsn": MAIL, "failure_transport": "parked"}, push=f"{MAIL}2", parked=PARKED))
    assert said == {"D-73": "transport push has no failure transport: a message is removed after its last retry"}


def test_a_failure_transport_needs_none_of_its_own():
    assert not found(messenger(mail={"dsn": MAIL, "failure_transport": "parked"}, parked=PARKED))


@pytest.mark.parametrize(
    ("base", "prod", "says"),
    [
        (messenger("parked", mail=MAIL, parked=PARKED), messenger(None), "D-73"),
        (messenger(mail=MAIL, parked=PARKED), messenger("parked"), ""),
        (messenger(mail=MAIL), messenger(mail={"retry_strategy": {"max_retries": 0}}), "D-72"),
        (
            messenger("parked", mail={"dsn": MAIL, "retry_strategy": {"max_retries": 0}}, parked=PARKED),
            messenger(mail={"retry_strategy": {"max_retries": 3}}),
            "",
        ),
        (messenger("parked", mail="in-memory://", parked="in-memory://"), messenger(mail=MAIL, parked=PARKED), ""),
        (messenger("parked", mail=MAIL, parked=PARKED), messenger(parked="in-memory://"), "D-73a"),
    ],
)
@pytest.mark.parametrize("where", ["when", "directory"])
def test_what_production_says_over_all_environments_counts(where, base, prod, says):
    other = (PACKAGES.replace("packages/", "packages/prod/"), prod)
    said = found({**base, "when@prod": prod}) if where == "when" else found(other, base)
    assert says in said if says else not said


def test_other_environments_and_applications_say_nothing_of_this_one():
    base, test = messenger("parked", mail=MAIL, parked=PARKED), messenger(None, mail="in-memory://")
    assert not found({**base, "when@test": test})
    assert not found(base, ("config/packages/test/messenger.yaml", test))
    assert not found(base, ("config/packages/test/messenger.yaml", {"when@prod": messenger(None)}))
    assert "D-73" in found(messenger(mail=MAIL), ("shop/config/packages/messenger.yaml", messenger("parked")))


@pytest.mark.parametrize(
    ("mail", "parked", "is_same"),
    [
        (ENV, ENV, True),
        (ENV, {"dsn": ENV, "options": {"queue_name": "parked"}}, False),
        (ENV, {"dsn": ENV, "options": {"auto_setup": False}}, True),
        ("doctrine://default", "doctrine://default?redeliver_timeout=90", True),
        ("doctrine://default", PARKED, False),
        ("redis://r/mail", "redis://r/mail/group-2", True),
        ("redis://r", "redis://r/messages", True),
        ("redis://r/mail", "redis://r/parked", False),
        ("redis://r/mail", {"dsn": "redis://r/mail", "options": {"stream": "parked"}}, True),
        ("redis://r", {"dsn": "redis://r", "options": {"stream": "parked"}}, False),
        ("redis://r/mail", "redis://other/mail", False),
        ("redis://r/mail", "redis://r/mail/", True),
        ("redis://r/mail", "redis://r/mail?dbindex=0", True),
        ("doctrine://default", "doctrine://default?queue_name=default", True),
        # A socket's path is none of a stream.
        (SOCKET, {**SOCKET, "options": {"stream": "parked"}}, False),
        (SOCKET, "redis:///run/redis.sock?stream=mail", True),
        ({"dsn": ENV, "options": {"topics": ["mail"]}}, {"dsn": ENV, "options": {"topics": ["parked"]}}, False),
        (MAIL, MAIL, True),
        (MAIL, {"dsn": MAIL, "options": {"exchange": {"name": "parked"}, "queues": {"parked": {}}}}, False),
    ],
)
def test_what_has_failed_does_not_lie_in_the_queue_that_workers_read(mail, parked, is_same):
    said = found(messenger("parked", mail=mail, parked=parked))
    assert ("lies in the same queue: its workers take what has failed again" in said.get("D-73a", "")) == is_same


@pytest.mark.parametrize(("dsn", "words"), [("in-memory://", "in the worker's own memory"), ("sync://", "at once")])
def test_a_failure_transport_that_keeps_nothing_loses_what_has_failed(dsn, words):
    assert words in found(messenger("parked", mail=MAIL, parked=dsn))["D-73a"]


def test_another_application_s_transport_of_one_name_is_not_the_one_that_failed():
    other = messenger("dead", mail=ENV, dead=PARKED)
    assert "D-73a" not in found(
        messenger("parked", mail=MAIL, parked=ENV), ("shop/config/packages/messenger.yaml", other)
    )


CHAIN = messenger("parked", mail=MAIL, parked={"dsn": PARKED, "failure_transport": "dead"}, dead=f"{PARKED}2")


@pytest.mark.parametrize(
    ("consumes", "is_said"),
    [
        ("mail", False),
        ("mail parked", True),
        ("--all", True),
        ("--all --exclude-receivers=parked --exclude-receivers dead", False),
        ("--all --exclude-receivers=mail", True),
    ],
)
@pytest.mark.parametrize("application", [messenger("parked", mail=MAIL, parked=PARKED), CHAIN])
def test_whoever_consumes_a_failure_transport_loses_what_fails_there(application, consumes, is_said):
    assert ("D-73b" in found(application, consumes=consumes)) == is_said


def test_a_number_of_retries_that_only_the_program_knows_is_not_printed_as_one():
    said = found(messenger(mail={"dsn": MAIL, "retry_strategy": {"max_retries": "%env(int:TRIES)%"}}))
    assert said["D-73"].endswith("a message is removed after its last retry")


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("gps://default", "is of kind gps; when a killed worker's message comes back, and to whom, is not judged"),
        ("kafka://broker", "is of kind kafka"),
        (ENV, "has an address that is not written here"),
        (MAIL, ""),
        ("redis://r/mail", ""),
        ("schedule://default", ""),
    ],
)
def test_of_a_transport_that_no_rule_knows_it_is_said_that_it_is_not_judged(dsn, words):
    application = File(PACKAGES, quick_yaml.dump(messenger("parked", mail=dsn, parked=PARKED)))
    worker = File("a.yaml", workload(["php", "bin/console", "messenger:consume", "mail"]))
    notes = [note.text for note in diagnose_files((worker, application)).notes if "transport mail" in note.text]
    assert [words in note for note in notes] == [True] * bool(words)
