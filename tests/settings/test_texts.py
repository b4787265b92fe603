"""Every text of a stack is looked at for secrets and dates, and none of ebbtide's own, nor a name of a Secret."""

from __future__ import annotations

from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.texts import texts_of


def test_every_text_that_was_written_is_looked_at_with_its_place_and_what_names_it() -> None:
    consumer = {
        "image": "registry.example/mail:1",
        "worker": {"kind": "command", "command": ["mail", "--all"], "workingDirectory": "/srv"},
        "autoscaling": {"kind": "fixed", "replicas": 1},
        "environment": {"APP_ENV": "prod"},
        "secretEnvironment": {"API_TOKEN": {"secret": "mail-v1", "key": "token"}},
        "annotations": {"acme.com/team": "mail", "checksum/secret": "0815"},
    }
    broker = {
        "kind": "existing",
        "protocol": "redis",
        "address": "10.20.0.7:6379",
        "secret": "broker-v1",
        "passwordKey": "password",
        "provides": {"REDIS_PASSWORD": "password"},
    }
    values = {"name": "dev", "cluster": {"kind": "existing"}, "broker": broker, "consumers": {"mail": consumer}}
    stack = StackSettings.model_validate(values)
    found = {(".".join(map(str, path)), name, text) for path, name, text in texts_of(stack)}
    of = "consumers.mail"
    assert found == {
        ("name", "", "dev"),
        ("cluster.kind", "", "existing"),
        ("broker.kind", "", "existing"),
        ("broker.protocol", "", "redis"),
        ("broker.address", "", "10.20.0.7:6379"),
        ("broker.secret", "", "broker-v1"),
        (of, "", "mail"),
        (f"{of}.name", "", "mail"),
        (f"{of}.image", "", "registry.example/mail:1"),
        (f"{of}.worker.kind", "", "command"),
        (f"{of}.worker.command.0", "", "mail"),
        (f"{of}.worker.command.1", "", "--all"),
        (f"{of}.worker.workingDirectory", "", "/srv"),
        (f"{of}.autoscaling.kind", "", "fixed"),
        (f"{of}.environment.APP_ENV", "", "APP_ENV"),
        (f"{of}.environment.APP_ENV", "APP_ENV", "prod"),
        (f"{of}.annotations.acme.com/team", "", "acme.com/team"),
        (f"{of}.annotations.acme.com/team", "team", "mail"),
        (f"{of}.annotations.checksum/secret", "", "checksum/secret"),
        (f"{of}.annotations.checksum/secret", "checksum/secret", "0815"),
    }
