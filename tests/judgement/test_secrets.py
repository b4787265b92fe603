"""Secrets are found however they are spelled, harmless values are let through, and what is found is not repeated."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.judgement.corpus import HARMLESS, SECRETS, P, rnd
from tests.settings.conftest import CONSUMER

from ebbtide.documents.finding import FindingDocument
from ebbtide.judgement.findings import Finding
from ebbtide.judgement.secret_names import is_credential_name
from ebbtide.judgement.secrets import (
    holds_secret,
    is_like_password,
    mask_value,
    redact,
    secret_spans,
    secret_words,
)
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


CREDENTIALS = """
    DB_PASS apiKey client-secret x.token PASSWORD_PROD SECRET_KEY_BASE PGPASSWORD MYSQL_PASSWORD db_passwd passwort
    SSH_PASSPHRASE passcode SMTP_PW DB_PWD CLIENT_SECRETS API_TOKENS awsCredential AWS_CREDENTIALS registry-creds
    MAILER_APIKEY authkey KUBECONFIG BEARER authorization SECRETKEY accesskey privatekey GITHUB_PAT USER_JWT
    SLACK_WEBHOOK wallet_mnemonic MYTOKEN MYSECRET MYAPIKEY MYACCESSKEY MYPASSWD MYPASSPHRASE WEBHOOK_KEY
    API_KEYS ACCESS_KEY privateKey secret_key AUTH_KEY ENCRYPTION_KEY encrypt-key signingKey SIGN_KEY masterKey
    ACCOUNT_KEY app_key APPLICATION_KEY licenseKey LICENCE_KEY ssh_key RSA_KEY hmacKey shared_key SERVICE_KEY
    serverKey CLIENT_KEY deploy-key SESSION_KEY storageKey RECOVERY_KEY DECRYPTION_KEY crypt_key cipherKey ROOT_KEY
    admin_key
""".split()  # noqa: SIM905 - read as words
ABOUT_ONE = """
    url uri endpoint host server file files filename path dir directory folder name names id ids ttl length len size
    min max limit limits lifetime expiry expires expire expiration age timeout count type types kind algorithm algo alg
    header field prefix suffix enabled disabled enable required policy format version versions rotation interval
    provider providers store manager backend class role roles scope scopes issuer audience bucket table column param
    parameter env var ref reference mode strategy driver encoder hasher strength rules regex pattern validator cost
    rounds iterations cache region arn rate seconds minutes hours days ms used budget window source location mount
    namespace project reset validation check checks checksum hash sha digest claim fingerprint encoding service resolver
    handler rotated reload reviews review usage per queue topic channel exchange stream group operator sync csi add
    account accounts user username domain port request requests context attempts
""".split()  # noqa: SIM905 - read as words


def test_a_name_of_a_credential_is_known():
    assert [name for name in CREDENTIALS if not is_credential_name(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PWD",
            "secretName",
            "passwordFile",
            "COMPASS",
            "tokenizer",
            "publicKey",
            "PUBLISHABLE_API_KEY",
            "key",
            "KEYS",
        ),
        *("primary_key", "MAX_TOKEN", "minTokens", "sha_secret", "PUB_KEY_TOKEN", "WEBHOOK_ROUTING_KEY"),
    ],
)
def test_a_name_of_something_else_is_none(name):
    assert not is_credential_name(name)


def test_a_name_about_a_credential_is_none():
    wrong = [
        f"{one}_{about}" for about in ABOUT_ONE for one in ("TOKEN", "password") if is_credential_name(f"{one}_{about}")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("password", "places"), [("Tr0ub4dor-and-3", [2]), ("$(PASSWORD)", []), ("${PASSWORD}", []), ("***", [])]
)
def test_the_word_behind_a_short_option_is_a_secret_unless_it_is_put_in_later(password, places):
    assert list(dict.fromkeys(secret_words(["redis-cli", "-a", password]))) == places


def test_a_text_is_random_from_sixteen_signs_of_three_kinds_on():
    random = "aB3dE6gH9jK2mN5p"
    assert holds_secret(random, "SALT")
    for short in (random[:15], random.lower(), "a" * 16):
        assert not holds_secret(short, "SALT"), short


def test_a_name_is_taken_for_a_password_from_eight_odd_signs_on():
    assert is_like_password("mail!2026")
    for name in ("a1!", "mail-2026", "mailmail!"[:-1]):
        assert not is_like_password(name), name


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
    ["tool --api-key hunter2hunter -v", "PASSWORD=hunter2hunter tool", "-u --password=hunter2hunter, then"],
)
def test_a_text_that_is_redacted_twice_is_as_it_was_after_the_first_time(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        *("password: hunter2hunter {secret: a, key: b}", "{secret: Hunter2!, key: b}", "secret: hunter2hunter2"),
        *("{secret: hunter2hunter2}"),
    ],
)
def test_what_only_looks_like_a_reference_is_hidden(text):
    assert "unter2" not in redact(text)
