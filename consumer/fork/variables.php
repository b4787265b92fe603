<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

/** The variables that a worker has for itself. After the fork each gets them anew, wherever PHP has put them. */
final class Variables
{
    /** Of two boots these differ on purpose; a copy of them anywhere else is found. */
    public const OWN = '{^(MESSENGER_CONSUMER_NAME|EBBTIDE_PROCESS_\w+|EBBTIDE_FORK_\w+|SUPERVISOR_(PROCESS|GROUP)_NAME'
        .'|PHP_INI_SCAN_DIR|REQUEST_TIME|REQUEST_TIME_FLOAT)$}D';

    /** @param int|float|string|null $value */
    public static function set(string $name, $value): void
    {
        if (0 !== strpos($name, 'REQUEST_')) {
            putenv(null === $value ? $name : "$name=$value");
            self::put($_ENV, $name, $value);
        }
        self::put($_SERVER, $name, $value);
        foreach (self::copies() as [$variable, $key]) {
            null === $key ? self::put($GLOBALS[$variable], $name, $value)
                : self::put($GLOBALS[$variable][$key], $name, $value);
        }
    }

    /**
     * Global variables that hold a copy of the environment, or arrays of them: symfony/runtime leaves one in $args.
     *
     * @return array<int, array{0: string, 1: int|string|null}>
     */
    private static function copies(): array
    {
        $copies = [];
        foreach ($GLOBALS as $variable => $value) {
            if (\is_array($value) && !\in_array($variable, ['GLOBALS', '_SERVER', '_ENV'], true)) {
                self::isCopy($value) && $copies[] = [$variable, null];
                foreach ($value as $key => $inner) {
                    \is_array($inner) && self::isCopy($inner) && $copies[] = [$variable, $key];
                }
            }
        }

        return $copies;
    }

    /** @return array<int|string, mixed> all that a boot may have left in them */
    public static function globals(): array
    {
        $globals = [];
        foreach ($GLOBALS as $variable => $value) {
            \in_array($variable, ['GLOBALS', '_SERVER', '_ENV'], true) || $globals[$variable] = $value;
        }
        foreach (self::copies() as [$variable, $key]) {
            null === $key ? $globals[$variable] = self::without($globals[$variable])
                : $globals[$variable][$key] = self::without($globals[$variable][$key]);
        }

        return $globals;
    }

    /** @param mixed[] $values */
    private static function isCopy(array $values): bool
    {
        return isset($values['MESSENGER_CONSUMER_NAME'], $values['EBBTIDE_STATE_DIRECTORY']);
    }

    /**
     * @param mixed[] $values
     *
     * @return mixed[]
     */
    public static function without(array $values): array
    {
        return array_filter(
            $values,
            static function ($name): bool { return !preg_match(self::OWN, (string) $name); },
            \ARRAY_FILTER_USE_KEY
        );
    }

    /**
     * @param mixed[]               $array
     * @param int|float|string|null $value
     */
    private static function put(array &$array, string $name, $value): void
    {
        if (null === $value) {
            unset($array[$name]);
        } else {
            $array[$name] = $value;
        }
    }
}
