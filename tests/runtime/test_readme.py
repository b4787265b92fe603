"""README's own YAML for Messenger, in a real application: it must not break what only sends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.runtime.lab import machine
from tests.runtime.lab.application import Application, Message
from tests.test_documentation import blocks, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.brokers import Broker
    from tests.runtime.lab.scene import Scene

# Debian has no package of symfony/yaml: the same values, read as JSON.
CONFIGURATION = """<?php
use Symfony\\Component\\DependencyInjection\\Loader\\Configurator\\ContainerConfigurator;

return static function (ContainerConfigurator $container): void {
    $read = json_decode(file_get_contents(__DIR__.'/readme.json'), true);
    foreach ($read['parameters'] ?? [] as $name => $value) {
        $container->parameters()->set($name, $value);
    }
    $container->extension('framework', $read['framework']);
    $container->extension('framework', ['messenger' => ['routing' => [App\\Message\\GitHubEvent::class => 'mail']]]);
};
"""
CONSOLE = """<?php
require dirname(__DIR__).'/autoload.php';
exit((new Symfony\\Bundle\\FrameworkBundle\\Console\\Application(App\\Kernel::fromEnvironment()))->run());
"""


@pytest.fixture
def application_as_in_readme(open_scene: Callable[..., Scene], tmp_path: Path) -> tuple[Application, Broker]:
    broker = open_scene("redis").broker
    source = tmp_path / "application"
    shutil.copytree(machine.EXAMPLE, source)
    written = next(
        body for language, body in blocks(read(Path("README.md"))) if language == "yaml" and "messenger:" in body
    )
    (source / "config" / "readme.json").write_text(json.dumps(yaml.safe_load(written)))
    (source / "config" / "messenger.php").write_text(CONFIGURATION)
    (source / "bin" / "console").write_text(CONSOLE)
    return Application(source, tmp_path / "built").build(), broker


def test_a_pod_that_only_sends_needs_no_consumer_name_and_a_worker_uses_its_own(
    application_as_in_readme: tuple[Application, Broker],
) -> None:
    application, broker = application_as_in_readme
    sent = application.send(broker, [Message("a", 0.0), Message("b", 0.0)])
    assert sent == ["a", "b"], "a web pod or the console has no MESSENGER_CONSUMER_NAME, and sends"

    worker = {**broker.environment(), "MESSENGER_CONSUMER_NAME": "pod-7-0"}
    consume = ("php", "bin/console", "messenger:consume", "mail", "--limit=2", "--no-interaction")
    application.run(consume, {}, worker)

    consumers = broker.ask("redis-cli -p $PORT --json XINFO CONSUMERS messages symfony")
    assert [consumer["name"] for consumer in json.loads(consumers)] == ["pod-7-0"], "each worker has its own name"
