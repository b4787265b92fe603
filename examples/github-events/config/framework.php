<?php

declare(strict_types=1);

use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;

return static function (ContainerConfigurator $container): void {
    $container->extension('framework', [
        'http_method_override' => false,
        'php_errors' => ['log' => true],
        // On this pod's own disk, never shared: the signal of `messenger:stop-workers` travels through this
        // cache, and in a shared one it stops the workers of every pod.
        'cache' => ['directory' => sys_get_temp_dir().'/github-events-cache'],
    ]);
};
