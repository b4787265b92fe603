"""The example as a larger application: its workers load Doctrine's ORM, Twig, Serializer and Validator as well.

Loaded, not used: the code's share of a worker is that of a large application, its data is still the example's. Which
classes there are is found out once, when the application is made, as composer's class map is; a worker reads the list.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.runtime.lab import machine

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("php-doctrine-orm", "php-symfony-serializer", "php-symfony-validator", "php-twig")
_AUTOLOAD = (
    "foreach (['Doctrine/ORM', 'Symfony/Component/Serializer', 'Symfony/Component/Validator', 'Twig'] as $one) {"
)
_LIST = r"""<?php

declare(strict_types=1);

// Prints a PHP file that returns every class, interface and trait of these packages that can be loaded, in an order in
// which they can.
require $argv[1].'/autoload.php';

const PACKAGES = [
    'Doctrine/ORM', 'Doctrine/DBAL', 'Doctrine/Common', 'Doctrine/Persistence', 'Twig',
    'Symfony/Component/Serializer', 'Symfony/Component/Validator', 'Symfony/Component/HttpFoundation',
    'Symfony/Component/HttpKernel', 'Symfony/Component/Routing', 'Symfony/Component/Cache',
    'Symfony/Component/DependencyInjection', 'Symfony/Component/Config', 'Symfony/Component/Messenger',
    'Symfony/Component/PropertyAccess', 'Symfony/Component/PropertyInfo', 'Symfony/Component/Console',
];
// Ends or prints when it is loaded.
const NOT = '{/(Tests?|Resources|Debug|autoload|DataCollector|Command|Tools)(/|\\.php)}';

set_error_handler(static function (): bool { return true; });
foreach (array_filter(PACKAGES, static fn ($package) => is_dir("/usr/share/php/$package")) as $package) {
    $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("/usr/share/php/$package"));
    foreach ($files as $file) {
        $name = substr((string) $file, strlen('/usr/share/php/'), -4);
        if ('php' === $file->getExtension() && !preg_match(NOT, "$name.php")) {
            try {
                class_exists(strtr($name, '/', '\\'));
            } catch (Throwable $missing) {
            }
        }
    }
}
$declared = [...get_declared_interfaces(), ...get_declared_traits(), ...get_declared_classes()];
$loaded = array_filter($declared, static function ($name) {
    $class = new ReflectionClass($name);

    return !$class->isAnonymous() && false !== $class->getFileName();
});
echo '<?php return ', var_export(array_values($loaded), true), ";\n";
"""
_LOADER = r"""<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Event\WorkerStartedEvent;

/** Loads the listed classes before the first message. */
final class Large implements EventSubscriberInterface
{
    public static function getSubscribedEvents(): array
    {
        return [WorkerStartedEvent::class => ['load', 500]];
    }

    public function load(): void
    {
        // Some are deprecated, and say so.
        set_error_handler(static fn (): bool => true);
        foreach (require __DIR__.'/../classes.php' as $name) {
            // It finds interfaces and traits no class, and has loaded them all the same.
            class_exists($name);
        }
        restore_error_handler();
        if (1500 > $count = \count(get_included_files())) {
            throw new \LogicException("not a large application (got $count files)");
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
    command = ("php", "-d", "display_errors=stderr", "/dev/stdin", str(source))
    classes = subprocess.run(command, input=_LIST, capture_output=True, text=True, check=True).stdout
    (source / "classes.php").write_text(classes)
    (source / "src/Large.php").write_text(_LOADER)
    return source
