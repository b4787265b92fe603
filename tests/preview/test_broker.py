"""What a changed property does to a broker and the messages in it: worse is said as worse, and better not as danger."""

from __future__ import annotations

from typing import Any

import pytest
from tests.preview.test_rules import BASE, HEAD, beside

from ebbtide.preview.change import StackChange
from ebbtide.preview.review import review_change
from ebbtide.preview.sources.compare import compare

VALKEY, POSTGRESQL = "gcp:memorystore/instance:Instance", "gcp:sql/databaseInstance:DatabaseInstance"
SMALL, LARGE = "STANDARD_SMALL", "HIGHMEM_MEDIUM"
MAXMEMORY = "maxmemory-policy"


def nested(path: str, value: Any) -> dict[str, Any]:
    """A resource in which this is all that is written."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


# The broker, the property, a good value and one that is worse; the level of each way, and a word of its sentence.
WAYS: list[tuple[str, str, Any, Any, tuple[str, str], tuple[str, str]]] = [
    (VALKEY, "nodeType", LARGE, SMALL, ("danger", "holds less"), ("disruptive", "connections are dropped")),
    (VALKEY, "replicaCount", 2, 1, ("danger", "fewer copies"), ("info", "a copy is added")),
    (VALKEY, "persistenceConfig.mode", "AOF", "RDB", ("danger", "less is on disk"), ("info", "more is on disk")),
    (VALKEY, "persistenceConfig.mode", "RDB", "DISABLED", ("danger", "less is on disk"), ("info", "more is on disk")),
    (
        VALKEY,
        "persistenceConfig.aofConfig.appendFsync",
        "ALWAYS",
        "EVERY_SEC",
        ("danger", "in the last moments"),
        ("info", "before it is acknowledged"),
    ),
    (
        VALKEY,
        "persistenceConfig.aofConfig.appendFsync",
        "EVERY_SEC",
        "NEVER",
        ("danger", "in the last moments"),
        ("info", "before it is acknowledged"),
    ),
    *(
        (
            VALKEY,
            "persistenceConfig.rdbConfig.rdbSnapshotPeriod",
            often,
            rarely,
            ("danger", "since the last snapshot"),
            ("info", "closer together"),
        )
        for often, rarely in (
            ("ONE_HOUR", "SIX_HOURS"),
            ("SIX_HOURS", "TWELVE_HOURS"),
            ("TWELVE_HOURS", "TWENTY_FOUR_HOURS"),
        )
    ),
    (
        VALKEY,
        f"engineConfigs.{MAXMEMORY}",
        "noeviction",
        "allkeys-lru",
        ("danger", "drops messages without a word"),
        ("info", "refuses, and drops nothing"),
    ),
    *(
        (VALKEY, "engineVersion", new, old, ("danger", "lowers no version"), ("disruptive", "connections are dropped"))
        for new, old in (("VALKEY_9_0", "VALKEY_8_0"), ("VALKEY_8_0", "VALKEY_7_2"))
    ),
    (VALKEY, "deletionProtectionEnabled", True, False, ("danger", "can delete it"), ("info", "Google refuses")),
    (
        POSTGRESQL,
        "databaseVersion",
        "POSTGRES_17",
        "POSTGRES_9_6",
        ("danger", "lowers no version"),
        ("disruptive", "upgraded in place"),
    ),
    (
        POSTGRESQL,
        "settings.tier",
        "db-custom-4-15360",
        "db-custom-2-13312",
        ("danger", "takes fewer connections"),
        ("disruptive", "it restarts"),
    ),
    (
        POSTGRESQL,
        "settings.edition",
        "ENTERPRISE_PLUS",
        "ENTERPRISE",
        ("disruptive", "it restarts"),
        ("disruptive", "it restarts"),
    ),
    (
        POSTGRESQL,
        "settings.availabilityType",
        "REGIONAL",
        "ZONAL",
        ("danger", "no copy takes over"),
        ("info", "another zone takes over"),
    ),
    (POSTGRESQL, "settings.diskAutoresize", True, False, ("danger", "full disk"), ("info", "grows by itself")),
    # A smaller one is another instance, of which P-60 speaks.
    (POSTGRESQL, "settings.diskSize", 100, 50, ("", ""), ("info", "more room")),
    (
        POSTGRESQL,
        "settings.ipConfiguration.ipv4Enabled",
        False,
        True,
        ("danger", "gets a public address"),
        ("info", "no public address"),
    ),
    *(
        (
            POSTGRESQL,
            "settings.ipConfiguration.sslMode",
            strict,
            loose,
            ("danger", "may be unencrypted"),
            ("info", "must be encrypted"),
        )
        for strict, loose in (
            ("TRUSTED_CLIENT_CERTIFICATE_REQUIRED", "ENCRYPTED_ONLY"),
            ("ENCRYPTED_ONLY", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
        )
    ),
    (
        POSTGRESQL,
        "settings.backupConfiguration.enabled",
        True,
        False,
        ("danger", "no longer backed up"),
        ("info", "it is backed up"),
    ),
    (
        POSTGRESQL,
        "settings.backupConfiguration.pointInTimeRecoveryEnabled",
        True,
        False,
        ("danger", "no moment"),
        ("info", "any moment"),
    ),
    (
        POSTGRESQL,
        "settings.backupConfiguration.transactionLogRetentionDays",
        7,
        3,
        ("danger", "older moments can no longer"),
        ("info", "older moments can be"),
    ),
    (
        POSTGRESQL,
        "settings.backupConfiguration.backupRetentionSettings.retainedBackups",
        15,
        7,
        ("danger", "older backups are deleted"),
        ("info", "more backups are kept"),
    ),
    (POSTGRESQL, "settings.finalBackupConfig.enabled", True, False, ("danger", "nothing is kept"), ("", "")),
    (POSTGRESQL, "settings.finalBackupConfig.retentionDays", 30, 7, ("danger", "for less long"), ("", "")),
    (
        POSTGRESQL,
        "settings.deletionProtectionEnabled",
        True,
        False,
        ("danger", "can delete it"),
        ("info", "Google refuses"),
    ),
    (POSTGRESQL, "deletionProtection", True, False, ("danger", "can delete it"), ("info", "the provider refuses")),
]


@pytest.mark.parametrize("way", WAYS, ids=[f"{way[1]} {way[3]}" for way in WAYS])
def test_a_property_of_a_broker_is_judged_by_the_way_it_goes(way):
    token, path, good, bad, down, up = way
    for before, after, (level, words) in ((good, bad, down), (bad, good, up)):
        found = beside(token, "P-61", nested(path, before), nested(path, after))
        assert [one for one, _ in found] == ([level] if level else [])
        assert all(words in sentence for _, sentence in found), found


@pytest.mark.parametrize(
    ("path", "loses"),
    [("nodeType", True), ("persistenceConfig.mode", True), ("replicaCount", False)],
)
def test_how_much_is_in_a_broker_is_said_where_it_may_be_emptied(path, loses):
    good, bad = next((good, bad) for token, at, good, bad, *_ in WAYS if at == path)
    ((_, sentence),) = beside(VALKEY, "P-61", nested(path, good), nested(path, bad))
    assert ("all that wait" in sentence) == loses


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("persistenceConfig.mode", "DISABLED", "SOMETHING_NEW"),
        ("persistenceConfig.mode", "SOMETHING_NEW", "AOF"),
        ("engineVersion", "VALKEY_99_0", "VALKEY_9_0"),
        (f"engineConfigs.{MAXMEMORY}", "volatile-lru", "allkeys-lru"),
    ],
)
def test_that_a_broker_keeps_more_is_said_only_where_both_values_are_known(path, before, after):
    """Google may add one."""
    ((level, _),) = beside(VALKEY, "P-61", nested(path, before), nested(path, after))
    assert level == "danger"


@pytest.mark.parametrize(("before", "after"), [(100, "100"), ("100", 100), (True, "true")])
def test_a_value_in_another_spelling_is_the_same(before, after):
    path = "settings.diskSize" if before is not True else "settings.diskAutoresize"
    assert beside(POSTGRESQL, "P-61", nested(path, before), nested(path, after)) == []


def test_a_list_of_what_is_no_flag_is_passed_over():
    flags = {"settings": {"databaseFlags": ["max_connections", {"name": "max_connections", "value": "200"}]}}
    ((level, _),) = beside(POSTGRESQL, "P-61", flags, {"settings": {}})
    assert level == "danger"


def test_of_a_value_that_nobody_knows_nothing_is_said_where_none_was_stated():
    path = "persistenceConfig.mode"
    assert beside(VALKEY, "P-61", {"nodeType": SMALL}, {"nodeType": SMALL, **nested(path, "SOMETHING_NEW")}) == []


def test_a_protection_that_is_taken_away_as_a_whole_is_no_less_gone():
    before = {"settings": {"backupConfiguration": {"enabled": True}}}
    assert ("danger", "it is no longer backed up") in [
        (level, sentence.rpartition(": ")[2])
        for level, sentence in beside(POSTGRESQL, "P-61", before, {"settings": {}})
    ]


def connections(number: int) -> dict[str, Any]:
    flags = [{"name": "log_statement", "value": "ddl"}, {"name": "max_connections", "value": str(number)}]
    return {"settings": {"databaseFlags": flags}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(200, 100, ("danger", "workers may be refused")), (100, 200, ("disruptive", "it restarts"))],
)
def test_a_flag_of_the_database_is_found_by_its_name(before, after, expected):
    ((level, sentence),) = beside(POSTGRESQL, "P-61", connections(before), connections(after))
    assert (level, expected[1] in sentence) == (expected[0], True), sentence


def test_a_flag_is_found_by_its_name_also_where_all_of_them_go():
    ((level, sentence),) = beside(POSTGRESQL, "P-61", connections(200), {"settings": {}})
    assert level == "danger"
    assert "max_connections 200 → (none)" in sentence


def when_it_goes(token: str) -> set[tuple[str, str]]:
    """The rules that speak when a resource beside the stack's own is deleted, each with its level."""
    one = {**BASE[-1], "type": token, "name": "broker-way", "properties": {"description": "-"}}
    changes, standing = compare([*BASE, one], BASE)
    change = StackChange("production", "ebbtide", changes, len(standing), "test", standing=standing)
    return {(risk.rule, risk.level.value) for risk in review_change(change, HEAD).risks}


@pytest.mark.parametrize(
    ("token", "spoken"),
    [
        ("gcp:compute/forwardingRule:ForwardingRule", ("P-63", "danger")),
        ("gcp:compute/address:Address", ("P-63", "danger")),
        ("gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy", ("P-63", "danger")),
        ("gcp:sql/user:User", ("P-62", "danger")),
        ("gcp:sql/database:Database", ("P-60", "danger")),
        ("kubernetes:secret-sync.gke.io/v1:SecretSync", ("P-62", "danger")),
    ],
)
def test_nothing_that_the_way_to_a_broker_needs_goes_without_a_word(token, spoken):
    assert spoken in when_it_goes(token)


def test_an_address_of_another_cloud_is_not_taken_for_the_way_to_a_broker():
    assert when_it_goes("acme:network/address:Address") == {("P-40", "notJudged")}


def test_another_password_of_the_database_is_judged():
    """The engine shows no password, so that nothing is said of it beyond what rotating the secret says."""
    assert beside("gcp:sql/user:User", "P-40", {"password": "[secret]"}, {"password": "[other]"}) == []
