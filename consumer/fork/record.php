<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

/**
 * Runs a worker once while the image is built, with receivers that have nothing, and writes down what its boot has
 * left behind and which classes it needs. Judged in fork_proof.py.
 */
final class Record
{
    private const RECEIVER = 'Symfony\Component\Messenger\Transport\Receiver\ReceiverInterface';

    /** @param array<int, string> $descriptors */
    public static function begin(
        string $file,
        array $descriptors,
        object $application,
        object $command,
        object $input
    ): void {
        $container = method_exists($application, 'getKernel') ? $application->getKernel()->getContainer() : null;
        $state = new State();
        $facts = [
            'bootKibibytes' => self::ownKibibytes(),
            'descriptors' => Process::openedSince($descriptors),
            'threads' => Process::threads(),
            'extensions' => array_map('strtolower', get_loaded_extensions()),
            'arguments' => is_a($input, 'Symfony\Component\Console\Input\ArgvInput')
                && property_exists('Symfony\Component\Console\Input\ArgvInput', 'tokens'),
            'missing' => array_values(array_filter(
                Hook::NEEDS,
                static function (string $name): bool { return !\function_exists($name); }
            )),
            'state' => null === $container ? [] : $state->of($container),
            'generators' => $state->generators,
        ];
        if (!$facts['missing']) {
            $facts['draws'] = self::draws();
        }
        self::write($file, $facts);
        if (getenv('EBBTIDE_FORK_RECORD_BOOT_ONLY')) {
            Hook::vanish();
        }
        register_shutdown_function(static function () use ($file, $facts): void {
            Classes::write("$file.classes", []);
            $opcache = \function_exists('opcache_get_status') ? @opcache_get_status(false) : false;
            $memory = $opcache['memory_usage'] ?? null;
            self::write($file, $facts + [
                'consumed' => class_exists(Hook::OWN[1], false),
                'opcacheBytes' => null === $memory ? null : $memory['used_memory'] + $memory['wasted_memory'],
            ]);
        });
        self::putEmptyReceivers($command);
    }

    /** What this process has made for itself in memory, without what files and shared memory hold. */
    private static function ownKibibytes(): int
    {
        $rollup = @file_get_contents('/proc/self/smaps_rollup') ?: '';

        return preg_match('/^Anonymous:\s+(\d+) kB/m', $rollup, $found) ? (int) $found[1] : 0;
    }

    /** @return string[] what two children draw after the fork from generators that PHP seeds itself */
    private static function draws(): array
    {
        $draws = [];
        for ($child = 0; $child < 2; ++$child) {
            [$mine, $its] = stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0);
            if (0 === $pid = pcntl_fork()) {
                fwrite($its, sprintf("%.17g\n", lcg_value()));
                posix_kill(getmypid(), \SIGKILL);
            }
            fclose($its);
            $draws[] = trim((string) fgets($mine));
            pcntl_waitpid($pid, $status);
        }

        return $draws;
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

    private static function write(string $file, array $facts): void
    {
        $flags = \JSON_UNESCAPED_SLASHES | \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_PARTIAL_OUTPUT_ON_ERROR;
        file_put_contents($file, json_encode($facts, $flags));
    }
}

/** Everything that services, static properties and functions' static variables hold, by its place, as a hash. */
final class State
{
    private const MOST_VALUES = 200000;
    private const DEEPEST = 16;

    /** @var string[] places of generators that somebody has seeded */
    public $generators = [];
    /** @var array<string, string> */
    private $values = [];
    /** @var \SplObjectStorage<object, true> */
    private $seen;

    /** @return array<string, string> */
    public function of(object $container): array
    {
        $this->seen = new \SplObjectStorage();
        foreach (['services', 'privates'] as $kind) {
            $property = self::property($container, $kind);
            foreach ($property ? $property->getValue($container) : [] as $id => $service) {
                $this->walk("service $id", $service, 0);
            }
        }
        foreach (get_declared_classes() as $class) {
            $reflection = new \ReflectionClass($class);
            if (!$reflection->isInternal() && 0 !== strpos($class, __NAMESPACE__.'\\')) {
                foreach ($reflection->getStaticProperties() as $name => $value) {
                    $this->walk("static $class::\$$name", $value, 0);
                }
                foreach ($reflection->getMethods() as $method) {
                    if ($method->getDeclaringClass()->getName() === $class) {
                        $this->variables("$class::", $method);
                    }
                }
            }
        }
        foreach (get_defined_functions()['user'] as $function) {
            $this->variables('', new \ReflectionFunction($function));
        }

        return $this->values;
    }

    private function variables(string $class, \ReflectionFunctionAbstract $function): void
    {
        foreach ($function->getStaticVariables() as $name => $value) {
            $this->walk("static \$$name in $class{$function->getName()}()", $value, 0);
        }
    }

    /** @param mixed $value */
    private function walk(string $place, $value, int $depth): void
    {
        if ($depth > self::DEEPEST || \count($this->values) > self::MOST_VALUES) {
            return;
        }
        if (\is_scalar($value)) {
            // Hashes: a value may be a secret, and what counts is whether two boots agree.
            $this->values[$place] = substr(hash('sha256', serialize($value)), 0, 12);
        } elseif (\is_array($value)) {
            $at = 0;
            foreach ($value as $key => $one) {
                $this->walk($place.'['.$at++.']', \is_string($key) ? [$one, $key] : $one, $depth + 1);
            }
        } elseif (\is_object($value) && !$this->seen->contains($value)) {
            $this->seen->attach($value);
            $this->object($place, $value, $depth);
        }
    }

    private function object(string $place, object $object, int $depth): void
    {
        if ($object instanceof \Random\Engine && !$object instanceof \Random\Engine\Secure) {
            $this->generators[] = $place;
        } elseif ($object instanceof \DateTimeInterface) {
            $this->walk($place, $object->format('U.u'), $depth);
        } elseif ($object instanceof \Closure) {
            $reflection = new \ReflectionFunction($object);
            $this->walk("$place use", $reflection->getStaticVariables(), $depth + 1);
            $this->walk("$place this", $reflection->getClosureThis(), $depth + 1);
        } else {
            for ($class = new \ReflectionClass($object); $class; $class = $class->getParentClass()) {
                foreach ($class->getProperties() as $property) {
                    if (!$property->isStatic() && $property->getDeclaringClass()->getName() === $class->getName()) {
                        $property->setAccessible(true);
                        if (!method_exists($property, 'isInitialized') || $property->isInitialized($object)) {
                            $name = \get_class($object).'::$'.$property->getName();
                            $this->walk(self::short($place).' '.$name, $property->getValue($object), $depth + 1);
                        }
                    }
                }
            }
        }
    }

    /** Where it began; each step on the way there would hide it. */
    private static function short(string $place): string
    {
        return \strlen($place) > 160 ? substr($place, 0, 80).' ... '.substr($place, -70) : $place;
    }

    private static function property(object $object, string $name): ?\ReflectionProperty
    {
        for ($class = new \ReflectionClass($object); $class; $class = $class->getParentClass()) {
            if ($class->hasProperty($name)) {
                $property = $class->getProperty($name);
                $property->setAccessible(true);

                return $property;
            }
        }

        return null;
    }
}
