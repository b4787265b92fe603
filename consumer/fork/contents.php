<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

/** What objects of PHP's own classes, and of extensions, hold beside their properties. */
final class Contents
{
    /** They hold nothing but what their properties show. */
    private const OPEN = [
        'stdClass', 'Exception', 'Error', 'EmptyIterator', 'DateInterval', 'Random\Randomizer', 'Random\Engine\Secure',
    ];
    /** They hold an object that they do not show. */
    private const CLOSED = ['ReflectionObject', 'ReflectionGenerator', 'ReflectionFiber'];
    /** Asked as PHP's own classes: one that comes from them may tell of itself what it likes. */
    private const ASKED = [
        'ArrayObject' => '__serialize', 'ArrayIterator' => '__serialize', 'SplObjectStorage' => '__serialize',
        'SplDoublyLinkedList' => '__serialize', 'SplFixedArray' => 'toArray', 'SplHeap' => '__debugInfo',
        'SplPriorityQueue' => '__debugInfo',
    ];

    /** @return array<string, mixed>|null what it is called, and it; null where nobody sees it */
    public static function of(object $object): ?array
    {
        $class = self::ofInternal($object);
        switch (true) {
            case null === $class || $object instanceof \Throwable || $object instanceof \ReflectionType:
                return [];
            case $object instanceof \ReflectionFunction:
                return ['code' => [$object->getStaticVariables(), $object->getClosureThis()]];
            case $object instanceof \Reflector:
                return \in_array($class, self::CLOSED, true) ? null : [];
            case $object instanceof \DateTimeInterface:
                $class = $object instanceof \DateTime ? 'DateTime' : 'DateTimeImmutable';

                return ['time' => self::call($class, 'format', $object, 'U.u e')];
            case $object instanceof \DateTimeZone:
                return ['zone' => $object->getName()];
            case $object instanceof \WeakReference:
                return ['to' => $object->get()];
            case $object instanceof \WeakMap:
                return ['pairs' => self::pairs($object)];
            case 'SplFileInfo' === $class: // those that come from it have a position, and perhaps contents
                return ['file' => $object->getPathname()];
            default:
                return self::asked($object);
        }
    }

    /** @return array<string, mixed>|null */
    private static function asked(object $object): ?array
    {
        foreach (self::ASKED as $class => $method) {
            if ($object instanceof $class) {
                $list = self::call($class, $method, $object);

                // Where it stands is what the next one to ask gets.
                return ['list' => 'ArrayIterator' === $class ? [$list, self::call($class, 'key', $object)] : $list];
            }
        }

        return null;
    }

    /** @return mixed */
    private static function call(string $class, string $method, object $object, string ...$arguments)
    {
        return (new \ReflectionMethod($class, $method))->invoke($object, ...$arguments);
    }

    /** The internal class that it is of or comes from; null where there is none that could hold anything. */
    public static function ofInternal(object $object): ?string
    {
        for ($class = new \ReflectionClass($object); $class; $class = $class->getParentClass()) {
            if ($class->isInternal()) {
                return \in_array($class->name, self::OPEN, true) ? null : $class->name;
            }
        }

        return null;
    }

    /** @return mixed[] */
    private static function pairs(\WeakMap $map): array
    {
        $pairs = [];
        foreach ($map as $key => $value) {
            $pairs[] = [$key, $value];
        }

        return $pairs;
    }
}
