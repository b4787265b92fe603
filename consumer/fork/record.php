<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

require_once __DIR__.'/facts.php';

/**
 * Runs a worker once while the image is built, with receivers that have nothing, and writes down what its boot has
 * left behind and which classes it needs. Judged in fork_proof.py.
 */
final class Record
{
    private const RECEIVER = 'Symfony\Component\Messenger\Transport\Receiver\ReceiverInterface';

    /**
     * @param array<int, string> $descriptors
     * @param string[]           $libraries
     */
    public static function begin(
        string $file,
        array $descriptors,
        array $libraries,
        object $application,
        object $command,
        object $input
    ): void {
        $facts = Facts::of($descriptors, $libraries, $input);
        $isFirst = false !== getenv('EBBTIDE_FORK_RECORD_BOOT_ONLY');
        $look = static function () use ($application, $file, $isFirst): string {
            return self::json(Facts::compare($application, "$file.state", $isFirst));
        };
        $facts += json_decode($facts['missing'] ? '' : Process::askCopy($look), true) ?: [];
        self::write($file, $facts);
        if ($isFirst) {
            Hook::vanish();
        }
        $known = Classes::declared();
        register_shutdown_function(static function () use ($file, $facts, $known): void {
            Classes::write("$file.classes", $known);
            $opcache = \function_exists('opcache_get_status') ? @opcache_get_status(false) : false;
            $memory = $opcache['memory_usage'] ?? null;
            self::write($file, $facts + [
                'consumed' => class_exists(Hook::OWN[1], false),
                'opcacheBytes' => null === $memory ? null : $memory['used_memory'] + $memory['wasted_memory'],
            ]);
        });
        self::putEmptyReceivers($command);
    }

    /** The worker runs as it would, up to its first look at a queue that is empty. */
    private static function putEmptyReceivers(object $command): void
    {
        require __DIR__.'/EmptyReceiver.php';
        while (method_exists($command, 'getCommand')) {
            $command = $command->getCommand();
        }
        $class = new \ReflectionClass($command);
        while ($class && !$class->hasProperty('receiverLocator')) {
            $class = $class->getParentClass();
        }
        if (false === $class) {
            exit(0); // Without it the worker would connect. What the boot has loaded is known.
        }
        $receivers = [];
        foreach (\array_slice($_SERVER['argv'], 2) as $word) {
            $receivers[$word] = static function (): object { return new EmptyReceiver(); };
        }
        $locator = $class->getProperty('receiverLocator');
        $locator->setAccessible(true);
        $locator->setValue($command, new \Symfony\Component\DependencyInjection\ServiceLocator($receivers));
    }

    /** @param array<string, mixed> $facts */
    private static function write(string $file, array $facts): void
    {
        file_put_contents($file, self::json($facts));
    }

    /** @param array<string, mixed> $facts */
    private static function json(array $facts): string
    {
        $flags = \JSON_UNESCAPED_SLASHES | \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_PARTIAL_OUTPUT_ON_ERROR;

        return (string) json_encode($facts, $flags);
    }
}
