"""The example as a larger application: its workers load Doctrine's ORM, Twig, Serializer and Validator as well.

Loaded, not used: the code's share of a worker is that of a large application, its data is still the example's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.runtime.lab import machine

PACKAGES = ("php-doctrine-orm", "php-symfony-serializer", "php-symfony-validator", "php-twig")
_AUTOLOAD = (
    "foreach (['Doctrine/ORM', 'Symfony/Component/Serializer', 'Symfony/Component/Validator', 'Twig'] as $one) {"
)
_LOADER = """<?php

declare(strict_types=1);

namespace App;

use Symfony\\Component\\EventDispatcher\\EventSubscriberInterface;
use Symfony\\Component\\Messenger\\Event\\WorkerStartedEvent;

/** Loads every class of these packages that can be loaded, before the first message. */
final class Large implements EventSubscriberInterface
{
    private const PACKAGES = [
        'Doctrine/ORM', 'Doctrine/DBAL', 'Doctrine/Common', 'Doctrine/Persistence', 'Twig',
        'Symfony/Component/Serializer', 'Symfony/Component/Validator', 'Symfony/Component/HttpFoundation',
        'Symfony/Component/HttpKernel', 'Symfony/Component/Routing', 'Symfony/Component/Cache',
        'Symfony/Component/DependencyInjection', 'Symfony/Component/Config', 'Symfony/Component/Messenger',
        'Symfony/Component/PropertyAccess', 'Symfony/Component/PropertyInfo', 'Symfony/Component/Console',
    ];
    /** Ends or prints when it is loaded. */
    private const NOT = '{/(Tests?|Resources|Debug|autoload|DataCollector|Command|Tools)(/|\\\\.php)}';

    public static function getSubscribedEvents(): array
    {
        return [WorkerStartedEvent::class => ['load', 500]];
    }

    public function load(): void
    {
        set_error_handler(static function (): bool { return true; });
        foreach (array_filter(self::PACKAGES, static fn ($package) => is_dir("/usr/share/php/$package")) as $package) {
            $files = new \\RecursiveIteratorIterator(new \\RecursiveDirectoryIterator("/usr/share/php/$package"));
            foreach ($files as $file) {
                $name = substr((string) $file, \\strlen('/usr/share/php/'), -4);
                if ('php' === $file->getExtension() && !preg_match(self::NOT, "$name.php")) {
                    try {
                        class_exists(strtr($name, '/', '\\\\'));
                    } catch (\\Throwable $missing) {
                    }
                }
            }
        }
        restore_error_handler();
        if (1500 > $count = \\count(array_filter(get_included_files(), 'is_string'))) {
            throw new \\LogicException("not a large application (got $count files)");
        }
    }
}
"""


def large(directory: Path) -> Path:
    """Its source, written there."""
    machine.prepare(PACKAGES)
    source = directory / "large"
    shutil.copytree(machine.EXAMPLE, source)
    with (source / "autoload.php").open("a") as file:
        file.write(f"\n{_AUTOLOAD}\n    require_once $one.'/autoload.php';\n}}\n")
    (source / "src/Large.php").write_text(_LOADER)
    return source
