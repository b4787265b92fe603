<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

require_once __DIR__.'/source.php';

/**
 * Classes to load before the fork, so that no child loads them: `{"class": "file"}`.
 *
 * They are loaded when two boots have been compared. So only those whose files do nothing but declare: one that draws an
 * id below its class, where the first use would run it, would give that id to all.
 */
final class Classes
{
    /** Tried at once: where one of them does more than be declared, none of these is loaded before the fork. */
    private const TOGETHER = 50;
    private const MOST_TRIES = 10;

    public static function load(string $list): void
    {
        $parts = array_chunk(self::listed($list), self::TOGETHER, true);
        for ($try = 0; $parts && $try < self::MOST_TRIES && \function_exists('pcntl_fork'); ++$try) {
            // A copy tries first what loading them does. Where it does not live to tell, each child loads its own.
            $harmful = Process::askCopy(static function () use ($parts): string { return self::harmful($parts); });
            if ('none' === $harmful) {
                foreach ($parts as $part) {
                    self::loadPart($part);
                }

                return;
            }
            if (!isset($parts[$harmful])) {
                return;
            }
            unset($parts[$harmful]);
        }
    }

    /** @return array<string, string> */
    public static function listed(string $list): array
    {
        $classes = is_file($list) ? json_decode((string) file_get_contents($list), true) : [];

        return \is_array($classes) ? $classes : [];
    }

    /**
     * The first part of which more has come than classes: an autoloader may run code of the class that it has loaded,
     * and PHP loads a class to check the types of another's methods.
     *
     * @param array<int, array<string, string>> $parts
     */
    private static function harmful(array $parts): string
    {
        $descriptors = Process::descriptors();
        foreach ($parts as $number => $part) {
            $known = self::declared();
            self::loadPart($part);
            foreach (array_diff_key(self::declared(), $known) as $class => $_) {
                if (self::hasRun(new \ReflectionClass($class), isset($part[$class]))) {
                    return (string) $number;
                }
            }
            if (Process::openedSince($descriptors)) {
                return (string) $number;
            }
        }

        return 'none';
    }

    /** Whether code of it has run, or beside it. Into the files of those in the list its author has looked. */
    private static function hasRun(\ReflectionClass $class, bool $isListed): bool
    {
        if (!$isListed && !Source::onlyDeclares((string) $class->getFileName())) {
            return true;
        }
        $own = array_filter(
            $class->getProperties(\ReflectionProperty::IS_STATIC),
            static function (\ReflectionProperty $property) use ($class): bool { return $property->class === $class->name; }
        );
        try {
            $before = $own ? $class->getDefaultProperties() : [];
            foreach ($own as $property) {
                \PHP_VERSION_ID < 80100 && $property->setAccessible(true);
                if ($property->isInitialized() && $property->getValue() !== ($before[$property->name] ?? null)) {
                    return true;
                }
            }
        } catch (\Throwable $error) {
            return true; // It begins with what is not there.
        }

        return false;
    }

    /** @param array<string, string> $classes */
    private static function loadPart(array $classes): void
    {
        foreach ($classes as $class => $file) {
            try {
                // The compiled container's own files have no autoloader.
                $exists = class_exists($class) || interface_exists($class, false) || trait_exists($class, false);
                if (!$exists && self::isOfContainer($file)) {
                    include_once $file;
                }
            } catch (\Throwable $error) {
                // It can wait for the child that needs it.
            }
        }
    }

    /** @return array<string, true> */
    public static function declared(): array
    {
        $names = array_merge(get_declared_classes(), get_declared_interfaces(), get_declared_traits());

        return array_fill_keys($names, true);
    }

    /** @param array<string, true|string> $known what was there before */
    public static function write(string $list, array $known): void
    {
        $classes = $needs = [];
        foreach (array_diff_key(self::declared(), $known) as $class => $_) {
            $reflection = new \ReflectionClass($class);
            $file = $reflection->getFileName();
            // An alias has a file of its own that nobody can name.
            if (false !== $file && $class === $reflection->name && 0 !== strpos($class, __NAMESPACE__.'\\')
                && false === strpos($class, '@anonymous') && !\in_array($class, Hook::OWN, true)) {
                $classes[$class] = $file;
                $needs[$class] = self::loadedWith($reflection);
            }
        }
        $harmful = array_keys(array_diff_key($classes, array_filter($classes, [Source::class, 'onlyDeclares'])));
        $classes = array_filter($classes, static function (string $class) use ($needs, $harmful): bool {
            return !array_intersect($needs[$class], $harmful);
        }, \ARRAY_FILTER_USE_KEY);
        $json = json_encode($classes, \JSON_UNESCAPED_SLASHES | \JSON_INVALID_UTF8_IGNORE);
        if (false !== @file_put_contents("$list.new", $json)) {
            @rename("$list.new", $list);
        }
    }

    /** @return string[] it and all that it comes from: they are loaded with it */
    private static function loadedWith(\ReflectionClass $class): array
    {
        $names = $class->getInterfaceNames();
        for (; $class; $class = $class->getParentClass()) {
            $names[] = $class->name;
            foreach ($class->getTraits() as $trait) {
                array_push($names, ...self::loadedWith($trait));
            }
        }

        return $names;
    }

    /** A service's factory: only that of the container that this process has loaded. */
    private static function isOfContainer(string $file): bool
    {
        foreach (get_included_files() as $included) {
            if (\dirname($included) === \dirname($file) && 1 === preg_match('{Container\w*\.php$}', $included)) {
                return is_file($file);
            }
        }

        return false;
    }
}
