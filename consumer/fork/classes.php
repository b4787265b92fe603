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
    public static function load(string $list): void
    {
        $classes = is_file($list) ? json_decode((string) file_get_contents($list), true) : [];
        foreach (\is_array($classes) ? $classes : [] as $class => $file) {
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

    /** @param array<string, true> $known what was there before */
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
