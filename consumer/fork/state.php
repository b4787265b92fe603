<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

require_once __DIR__.'/contents.php';
require_once __DIR__.'/variables.php';

/**
 * Everything that this process holds in PHP, by its place, as digests: what a fork would give to every child.
 *
 * Level by level from the roots, so that each object has its shortest place and nothing is left out for being deep.
 * Only digests are kept: a value may be a secret, and what counts is whether two boots agree.
 */
final class State
{
    private const MOST_VALUES = 200000;
    /** Of arrays in arrays: one that holds itself has no end. */
    private const DEEPEST = 32;
    private const OWN_OPTIONS = '{^opcache\.|^auto_prepend_file$}D';

    /** @var string[] places of generators that somebody has seeded */
    public $generators = [];
    /** @var string[] what is held where PHP does not show it */
    public $unseen = [];
    /** @var array<string, string> */
    private $values = [];
    /** @var array<int, array{0: string, 1: object}> */
    private $queue = [];
    /** @var array<string, \ReflectionProperty[]> */
    private $properties = [];
    /** @var \SplObjectStorage<object, string> */
    private $places;
    /** @var string */
    private $key;

    public function __construct(string $key)
    {
        $this->key = $key;
        $this->places = new \SplObjectStorage();
    }

    /**
     * @param array<int, array<string, mixed>> $frames who is running
     *
     * @return array<string, string>
     */
    public function of(?object $container, array $frames): array
    {
        try {
            $this->roots($container, $frames);
            for ($at = 0; isset($this->queue[$at]); ++$at) {
                [$place, $object] = $this->queue[$at];
                unset($this->queue[$at]);
                $this->open(self::short($place), $object);
            }
        } catch (\OverflowException $tooMuch) {
            $this->unseen[] = 'what is beyond '.self::MOST_VALUES.' values';
        }

        return $this->values;
    }

    /**
     * Places whose values are not the same.
     *
     * @param array<string, string> $first
     * @param array<string, string> $second
     *
     * @return string[]
     */
    public static function differences(array $first, array $second): array
    {
        $places = array_keys(array_diff_assoc($first, $second) + array_diff_assoc($second, $first));
        sort($places, \SORT_STRING);

        return array_map('strval', $places);
    }

    /** @param array<int, array<string, mixed>> $frames */
    private function roots(?object $container, array $frames): void
    {
        foreach (null === $container ? [] : ['services', 'privates'] as $kind) {
            foreach (self::held($container, $kind) as $id => $service) {
                $this->put("service $id", $service);
            }
        }
        $this->put('container', $container);
        $this->callbacks();
        $this->frames($frames);
        $this->process();
        $this->code();
    }

    /** @param array<int, array<string, mixed>> $frames */
    private function frames(array $frames): void
    {
        foreach (array_reverse($frames) as $number => $frame) {
            if (0 === strpos($frame['class'] ?? '', __NAMESPACE__.'\\')) {
                continue;
            }
            $name = ($frame['class'] ?? '').'::'.$frame['function'];
            $this->put("call $number of $name", $frame['object'] ?? null);
            $this->put("arguments of call $number of $name", $frame['args'] ?? []);
        }
    }

    /** Variables, options and whatever else PHP keeps for the whole process. */
    private function process(): void
    {
        foreach (Variables::globals() as $name => $value) {
            $this->put("global \$$name", $value);
        }
        foreach (['$_SERVER' => $_SERVER, '$_ENV' => $_ENV, 'environment' => getenv()] as $array => $variables) {
            foreach (Variables::without($variables) as $name => $value) {
                $this->put("{$array}[$name]", $value);
            }
        }
        foreach (ini_get_all(null, false) as $name => $value) {
            preg_match(self::OWN_OPTIONS, $name) || $this->put("option $name", $value);
        }
        foreach (get_defined_constants(true)['user'] ?? [] as $name => $value) {
            $this->put("constant $name", $value);
        }
        $this->put('working directory', getcwd());
        $this->put('locale', setlocale(\LC_ALL, '0'));
        $this->put('session', \function_exists('session_id') ? session_id() : '');
        $this->put('autoloader', spl_autoload_functions());
        $this->put('time zone', date_default_timezone_get());
        $this->put('streams of PHP', stream_context_get_default());
        foreach (\function_exists('pcntl_signal_get_handler') ? range(1, 31) : [] as $signal) {
            $this->put("handler of signal $signal", pcntl_signal_get_handler($signal));
        }
    }

    /** What PHP calls and no variable has to hold. */
    private function callbacks(): void
    {
        // Whoever sets one hides another, which is back when that is taken away.
        for ($hidden = 0; $hidden < self::DEEPEST; ++$hidden) {
            $this->put("error handler $hidden", $handler = set_error_handler(null));
            null === $handler || restore_error_handler();
            restore_error_handler();
            $this->put("exception handler $hidden", $handler = set_exception_handler(null));
            null === $handler || restore_exception_handler();
            restore_exception_handler();
        }
        // The application's own may make exceptions of warnings; from here on they are answers.
        set_error_handler(static function (): bool { return true; });
        foreach (array_diff(ob_list_handlers(), ['default output handler']) as $handler) {
            $this->unseen[] = "what $handler holds, through which output goes";
        }
        $this->put('failed assertions', \PHP_MAJOR_VERSION < 9 ? assert_options(\ASSERT_CALLBACK) : null);
        $loader = \function_exists('libxml_get_external_entity_loader') ? libxml_get_external_entity_loader() : null;
        $this->put('loader of entities', $loader);
    }

    /** Static properties, and static variables of functions. Sorted: who is first must not depend on how it is loaded. */
    private function code(): void
    {
        $classes = array_merge(get_declared_classes(), get_declared_traits());
        sort($classes, \SORT_STRING);
        foreach ($classes as $class) {
            $reflection = new \ReflectionClass($class);
            if ($reflection->isInternal() || 0 === strpos($class, __NAMESPACE__.'\\')) {
                continue;
            }
            try {
                foreach ($reflection->getStaticProperties() as $name => $value) {
                    $this->put("static $class::\$$name", $value);
                }
                foreach ($reflection->getMethods() as $method) {
                    // Until PHP 8.1 each class had its own of what it inherits.
                    if (!$method->isAbstract() && ($method->class === $class || \PHP_VERSION_ID < 80100)) {
                        $this->variables("$class::", $method);
                    }
                }
            } catch (\OverflowException $tooMuch) {
                throw $tooMuch;
            } catch (\Throwable $error) {
                $this->unseen[] = "static $class";
            }
        }
        $functions = get_defined_functions()['user'];
        sort($functions, \SORT_STRING);
        foreach ($functions as $function) {
            0 === stripos($function, __NAMESPACE__.'\\') || $this->variables('', new \ReflectionFunction($function));
        }
    }

    private function variables(string $class, \ReflectionFunctionAbstract $function): void
    {
        foreach ($function->getStaticVariables() as $name => $value) {
            $this->put("static \$$name in $class{$function->getName()}()", $value);
        }
    }

    /** @param mixed $value */
    private function put(string $place, $value, int $depth = 0): void
    {
        if (null === $value) {
            return;
        }
        if (\is_scalar($value)) {
            $this->note($place, $value);
        } elseif (\is_array($value)) {
            $this->list($place, $value, $depth);
        } elseif (\is_object($value)) {
            if (0 === strpos(\get_class($value), __NAMESPACE__.'\\')) {
                return;
            }
            // The second time it is met it is told by where it was met first: who points to whom is state too.
            $known = isset($this->places[$value]);
            $this->note($place, $known ? $this->places[$value] : '@'.\get_class($value));
            if (!$known) {
                $this->places[$value] = $place;
                $this->queue[] = [$place, $value];
            }
        } else {
            $this->resource($place, $value, $depth);
        }
    }

    /** @param mixed[] $values */
    private function list(string $place, array $values, int $depth): void
    {
        if ($depth > self::DEEPEST) {
            $this->unseen[] = $place;

            return;
        }
        $plain = [];
        $at = 0;
        foreach ($values as $key => $value) {
            // By number: a key may be a secret as well.
            null === $value || \is_scalar($value) ? $plain[$key] = $value : $this->put("{$place}[$at]", $value, $depth + 1);
            ++$at;
        }
        if ($values) {
            // Where its pointer stands too: `next()` gives the next one to ask another.
            $this->note($place, [array_keys($values), $plain, key($values)]);
        }
    }

    /** @param mixed $resource */
    private function resource(string $place, $resource, int $depth): void
    {
        $kind = \is_resource($resource) ? get_resource_type($resource) : 'closed';
        if ('stream-context' === $kind) {
            $this->put($place, [stream_context_get_options($resource), stream_context_get_params($resource)], $depth + 1);
        } elseif ('stream' === $kind || 'persistent stream' === $kind) {
            $about = stream_get_meta_data($resource);
            if (\in_array($about['stream_type'], ['MEMORY', 'TEMP', 'RFC2397'], true)) {
                $position = ftell($resource);
                $this->put($place, [stream_get_contents($resource, -1, 0), $position]);
                fseek($resource, (int) $position);
            } elseif ($about['unread_bytes'] > 0) {
                // Read ahead: of /dev/urandom PHP takes 8 KiB, and each child would draw the same from them.
                $this->unseen[] = "what has been read of {$about['stream_type']} and not used ($place)";
            } else {
                // It has a descriptor, and is found by that; or it is a class of the application's.
                $this->put($place, [$about['uri'] ?? $about['stream_type'], $about['wrapper_data'] ?? null], $depth + 1);
            }
        } elseif ('closed' !== $kind) {
            $this->unseen[] = "$kind ($place)";
        }
    }

    private function open(string $place, object $object): void
    {
        try {
            $this->look($place, $object);
        } catch (\OverflowException $tooMuch) {
            throw $tooMuch;
        } catch (\Throwable $error) {
            $this->unseen[] = $place;
        }
    }

    private function look(string $place, object $object): void
    {
        $reflection = new \ReflectionClass($object);
        if (method_exists($reflection, 'isUninitializedLazyObject') && $reflection->isUninitializedLazyObject($object)) {
            // To read it would make it.
            $this->put("$place not made yet", $reflection->getLazyInitializer($object));
        } elseif ($object instanceof \Closure) {
            $function = new \ReflectionFunction($object);
            $this->put("$place code", $function->getFileName().':'.$function->getStartLine().':'.$function->getName());
            $this->put("$place use", $function->getStaticVariables());
            $this->put("$place this", $function->getClosureThis());
        } elseif ($object instanceof \Generator) {
            $this->unseen[] = "a generator under way ($place)";
        } else {
            $this->inside($place, $object);
            foreach ($this->properties[$reflection->name] ?? $this->properties_of($reflection) as $property) {
                $this->property($place, $object, $property);
            }
            foreach (get_object_vars($object) as $name => $value) {
                // Those that are not declared.
                $reflection->hasProperty((string) $name) || $this->put("$place ->$name", $value);
            }
        }
    }

    private function inside(string $place, object $object): void
    {
        if ($object instanceof \Random\Engine && Contents::ofInternal($object)) {
            $this->generators[] = $place;
        } elseif (null === $contents = Contents::of($object)) {
            $this->unseen[] = 'a '.\get_class($object)." ($place)";
        } elseif ($contents) {
            $this->put("$place ".key($contents), current($contents));
        }
    }

    /** @return \ReflectionProperty[] its own and those of its parents, private ones too */
    private function properties_of(\ReflectionClass $reflection): array
    {
        $properties = [];
        for ($class = $reflection; $class; $class = $class->getParentClass()) {
            foreach ($class->getProperties() as $property) {
                $isVirtual = method_exists($property, 'isVirtual') && $property->isVirtual();
                if (!$property->isStatic() && !$isVirtual && $property->class === $class->name) {
                    $properties[] = self::accessible($property);
                }
            }
        }

        return $this->properties[$reflection->name] = $properties;
    }

    private function property(string $place, object $object, \ReflectionProperty $property): void
    {
        if ($property->isInitialized($object)) {
            // A hook is code, and would be run.
            $raw = method_exists($property, 'getRawValue');
            $value = $raw ? $property->getRawValue($object) : $property->getValue($object);
            $this->put("$place {$property->class}::\${$property->name}", $value);
        }
    }

    private static function accessible(\ReflectionProperty $property): \ReflectionProperty
    {
        \PHP_VERSION_ID < 80100 && $property->setAccessible(true);

        return $property;
    }

    /** @param mixed $value without objects */
    private function note(string $place, $value): void
    {
        if (\count($this->values) >= self::MOST_VALUES) {
            throw new \OverflowException();
        }
        // A long place is cut, and two of them may then be one.
        $place = isset($this->values[$place]) ? "$place, the ".\count($this->values).'th value' : $place;
        $this->values[$place] = substr(hash('sha256', $this->key.serialize($value), true), 0, 9);
    }

    /** Where it began; each step on the way there would hide it. */
    private static function short(string $place): string
    {
        return \strlen($place) > 160 ? substr($place, 0, 80).' ... '.substr($place, -70) : $place;
    }

    /** @return mixed[] */
    private static function held(object $container, string $name): array
    {
        for ($class = new \ReflectionClass($container); $class; $class = $class->getParentClass()) {
            if ($class->hasProperty($name)) {
                return (array) self::accessible($class->getProperty($name))->getValue($container);
            }
        }

        return [];
    }
}
