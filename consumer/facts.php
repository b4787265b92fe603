<?php

// What self-check asks PHP itself: one JSON object.

declare(strict_types=1);

$composer = getcwd().'/vendor/composer/installed.php';
$packages = is_file($composer) ? (require $composer)['versions'] : [];

echo json_encode([
    'version' => \PHP_VERSION,
    'sapi' => \PHP_SAPI,
    // A function in disable_functions does not exist either.
    'signals' => \function_exists('pcntl_signal') && \function_exists('pcntl_async_signals'),
    'opcache' => \extension_loaded('Zend OPcache'),
    // The parent of forked workers needs it for itself.
    'prepended' => (string) ini_get('auto_prepend_file'),
    'memoryLimit' => ini_get('memory_limit'),
    'messenger' => $packages['symfony/messenger']['pretty_version'] ?? null,
]);
