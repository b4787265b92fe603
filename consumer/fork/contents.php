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

    /** @return array<string, mixed>|null what it is called, and it; null where nobody sees it */
    public static function of(object $object): ?array
    {
        $class = self::ofInternal($object);
        switch (true) {
            case null === $class || $object instanceof \Throwable || $object instanceof \Reflector:
                return [];
            case $object instanceof \DateTimeInterface:
                return ['time' => $object->format('U.u e')];
            case $object instanceof \DateTimeZone:
                return ['zone' => $object->getName()];
            case $object instanceof \WeakReference:
                return ['to' => $object->get()];
            case $object instanceof \WeakMap || $object instanceof \SplObjectStorage:
                return ['pairs' => self::pairs($object)];
            case $object instanceof \ArrayObject || $object instanceof \ArrayIterator:
                return ['copy' => $object->getArrayCopy()];
            case $object instanceof \SplFixedArray:
                return ['list' => $object->toArray()];
            case $object instanceof \SplPriorityQueue:
                $copy = clone $object; // to look at a heap empties it
                $copy->setExtractFlags(\SplPriorityQueue::EXTR_BOTH);

                return ['list' => self::listed($copy)];
            case $object instanceof \SplDoublyLinkedList || $object instanceof \SplHeap:
                return ['list' => self::listed(clone $object)];
            case 'SplFileInfo' === $class: // those that come from it have a position, and perhaps contents
                return ['file' => $object->getPathname()];
            default:
                return null;
        }
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

    /**
     * @param \WeakMap|\SplObjectStorage $map
     *
     * @return mixed[]
     */
    private static function pairs(object $map): array
    {
        $pairs = [];
        foreach ($map as $key => $value) {
            $pairs[] = $map instanceof \SplObjectStorage ? [$value, $map[$value]] : [$key, $value];
        }

        return $pairs;
    }

    /**
     * @param iterable<mixed> $values
     *
     * @return mixed[]
     */
    private static function listed(iterable $values): array
    {
        $list = [];
        foreach ($values as $value) {
            $list[] = $value;
        }

        return $list;
    }
}
