<?php

declare(strict_types=1);

// Debian's packages bring their own class maps; a project with composer requires vendor/autoload.php instead.
foreach ([
    'Doctrine/DBAL',
    'Doctrine/Persistence',
    'Symfony/Bundle/FrameworkBundle',
    'Symfony/Component/Messenger',
    'Symfony/Component/Messenger/Bridge/Amqp',
    'Symfony/Component/Messenger/Bridge/Doctrine',
    'Symfony/Component/Messenger/Bridge/Redis',
] as $library) {
    require_once $library.'/autoload.php';
}

if (!class_exists(Composer\InstalledVersions::class)) {
    require __DIR__.'/debian/InstalledVersions.php';
}

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\')) {
        $file = __DIR__.'/src/'.strtr(substr($class, 4), '\\', '/').'.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
