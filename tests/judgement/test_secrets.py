"""Secrets are found however they are spelled, harmless values are let through, and what is found is not repeated."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.judgement.corpus import HARMLESS, SECRETS, P, rnd
from tests.settings.conftest import CONSUMER

from ebbtide.documents.finding import FindingDocument
from ebbtide.judgement.findings import Finding
from ebbtide.judgement.secrets import holds_secret, is_credential_name, mask_value, redact, secret_spans
from ebbtide.settings.models.consumer import ConsumerSettings


def refusals(changes: dict[str, Any]) -> list[Finding]:
    worker = changes.get("worker", {})
    base = {} if worker.get("kind") == "command" else CONSUMER["worker"]
    consumer = {**CONSUMER, "name": "mail", **changes, "worker": {**base, **worker}}
    try:
        ConsumerSettings.model_validate(consumer)
    except ValidationError as error:
        found = [one for details in error.errors() for one in details.get("ctx", {}).get("findings", [])]
        return [finding for finding in found if finding.rule == "S-01"]
    return []


def test_of_all_spellings_of_a_secret_at_least_95_in_a_hundred_are_refused():
    missed = [name for name, changes in SECRETS if not refusals(changes)]
    assert len(SECRETS) >= 120
    assert missed == [], "the promise is 95; what is known here stays known"


def test_of_harmless_values_at_most_1_in_a_hundred_is_refused():
    wrong = [name for name, changes in HARMLESS if refusals(changes)]
    assert len(HARMLESS) >= 500
    assert len(wrong) <= len(HARMLESS) * 0.01, wrong


def test_a_refusal_of_a_secret_repeats_no_part_of_it():
    for name, changes in SECRETS:
        for finding in refusals(changes):
            assert P not in str(finding), name
            assert "(not shown)" in str(finding), name


def test_a_secret_in_a_command_is_named_by_its_place():
    command = {"kind": "command", "command": ["/app/worker", f"--broker=redis://:{P}@h"]}
    assert [finding.path for finding in refusals({"worker": command})] == [("worker", "command", 1)]


SYMFONY_REDIS = [
    ("redis://PASS@h:6379/mail", "PASS"),
    ("redis://:PASS@h", "PASS"),
    ("redis://default:PASS1/PASS2@h:6379/mail", "PASS1/PASS2"),
    ("redis://user:PA:SS@h", "PA:SS"),
    ("redis:PASS@h", "PASS"),
    ("rediss://a:PASS@h?x=1", "PASS"),
]


@pytest.mark.parametrize(("dsn", "password"), SYMFONY_REDIS)
def test_the_password_of_a_redis_address_is_what_symfony_takes_for_it(dsn, password):
    assert [dsn[start:end] for start, end in secret_spans(dsn)] == [password]
    assert password not in redact(f"cannot connect to {dsn}: refused")


@pytest.mark.parametrize("name", ["DB_PASS", "apiKey", "client-secret", "x.token", "PASSWORD_PROD", "SECRET_KEY_BASE"])
def test_a_name_of_a_credential_is_known(name):
    assert is_credential_name(name)


@pytest.mark.parametrize(
    "name",
    ["PWD", "TOKEN_TTL", "secretName", "passwordFile", "COMPASS", "tokenizer", "publicKey", "secret-hash", "key"],
)
def test_a_name_about_a_credential_is_none(name):
    assert not is_credential_name(name)


def test_whatever_stands_below_a_credential_is_masked_and_the_rest_is_left():
    token = rnd(30)
    value = {
        "kubeconfig": {"users": [{"user": {"anything": token}}]},
        "env": [{"name": "APP_TOKEN", "value": token}, {"name": "APP_ENV", "value": "prod"}],
        "secretName": "mail-v1",
        "dsn": f"redis://{P}@redis",
        "automountServiceAccountToken": False,
        "tokenTtl": 5,
    }
    shown = mask_value(value)
    assert token not in str(shown)
    assert P not in str(shown)
    assert shown["env"][1] == {"name": "APP_ENV", "value": "prod"}
    assert (shown["secretName"], shown["automountServiceAccountToken"], shown["tokenTtl"]) == ("mail-v1", False, 5)
    assert shown["dsn"] == "redis://[secret]@redis"


def test_a_finding_shows_no_secret_in_any_of_its_parts_and_formats():
    dsn = f"redis://{P}@redis"
    finding = Finding(("consumers", dsn), f"is no name (got '{dsn}')", f"write for example {dsn}")
    assert P not in str(finding)
    assert P not in str(FindingDocument.of(finding))


def test_a_variable_that_is_put_in_later_is_no_secret():
    for value in ("$(TOKEN)", "${TOKEN}", "%env(TOKEN)%", "{{ token }}", "<token>", "***", "/run/secrets/token"):
        assert not holds_secret(value, "API_TOKEN"), value


@pytest.mark.parametrize(
    "remedy",
    [
        "write for example {secret: mail-broker-v1, key: password}",
        "write API_TOKEN: {secret: mail-v1, key: api_token}",
        "write secretEnvironment: {API_TOKEN: {secret: mail.v1, key: api_token}}",
    ],
)
def test_a_remedy_shows_how_a_key_of_a_secret_is_named(remedy):
    assert redact(remedy) == remedy


@pytest.mark.parametrize(
    "text",
    [
        *("password: hunter2hunter {secret: a, key: b}", "{secret: Hunter2!, key: b}", "secret: hunter2hunter2"),
        *("{secret: hunter2hunter2}"),
    ],
)
def test_what_only_looks_like_a_reference_is_hidden(text):
    assert "unter2" not in redact(text)
