<?php

declare(strict_types=1);

namespace App\Ebbtide;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\Event\WorkerMessageHandledEvent;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\Event\WorkerStartedEvent;

/**
 * Tells the container's PID 1 whether this worker consumes, and since when it has a message in flight; counts messages
 * for /metrics, where that is on; and stops the worker between two messages when the pod drains, also where its signal
 * was not heard.
 *
 * Optional: copy it into the application's src/Ebbtide/; autoconfiguration does the rest. Outside the consumer
 * image it does nothing. Costs two touches of a file in memory for each message, and one write with metrics.
 */
final class WorkerProgress implements EventSubscriberInterface
{
    /** A time that is no time: nothing in flight. */
    private const IDLE = 1;
    private const HANDLED = 0;
    private const RETRIED = 1;
    private const FAILED = 2;
    private const SECONDS = 3;
    private const BUCKETS = 4;

    /** @var string|null */
    private $file;
    /** @var string|null */
    private $stopFile;
    private bool $isKnownIdle = false;
    private bool $isWithoutSignal;
    /** @var float[] the upper bounds of durations that are counted, in seconds; none: nothing is counted */
    private array $bounds = [];
    /** @var array<int, int|float> handled, retried, failed, seconds in all, and one for each bucket */
    private array $counts = [];
    private float $began = 0.0;
    private bool $isDone = false;

    public function __construct()
    {
        $directory = getenv('EBBTIDE_STATE_DIRECTORY');
        $number = getenv('EBBTIDE_PROCESS_NUMBER');
        $this->isWithoutSignal = 'stopFile' === getenv('EBBTIDE_DRAIN');
        if (false !== $directory && false !== $number) {
            $this->file = $directory.'/workers/'.$number;
            $this->stopFile = $directory.'/stop';
            $this->bounds = array_map('floatval', array_filter(explode(',', (string) getenv('EBBTIDE_DURATION_BOUNDS'))));
        }
    }

    public static function getSubscribedEvents(): array
    {
        return [
            // Since 6.3 Symfony forgets a signal that comes before it has a worker.
            WorkerStartedEvent::class => ['stopIfDraining', -1000],
            // Before other listeners: what they do belongs to the message.
            WorkerMessageReceivedEvent::class => ['begin', 1000],
            WorkerMessageHandledEvent::class => ['countHandled', -1000],
            // After Symfony has decided whether it comes again.
            WorkerMessageFailedEvent::class => ['countFailed', -1000],
            // After each message, when it has been acknowledged, and after each look at an empty queue.
            WorkerRunningEvent::class => ['end', -1000],
        ];
    }

    public function begin(): void
    {
        $this->touch(time());
        $this->isKnownIdle = false;
        $this->began = microtime(true);
    }

    public function countHandled(): void
    {
        $this->count(self::HANDLED);
    }

    public function countFailed(WorkerMessageFailedEvent $event): void
    {
        $this->count($event->willRetry() ? self::RETRIED : self::FAILED);
    }

    public function end(WorkerRunningEvent $event): void
    {
        if ($this->isDone) {
            $this->tell(microtime(true) - $this->began);
        }
        if (!$this->isKnownIdle) {
            $this->touch(self::IDLE);
            $this->isKnownIdle = true;
        }
        // Where there is a signal it ends them; one that comes while PHP shuts down already would be logged as a death.
        if ($this->isWithoutSignal) {
            $this->stopIfDraining($event);
        }
    }

    /** @param WorkerStartedEvent|WorkerRunningEvent $event */
    public function stopIfDraining(object $event): void
    {
        // PHP remembers which files there are, not which there are not: no clearstatcache() needed.
        if (null !== $this->stopFile && file_exists($this->stopFile)) {
            $event->getWorker()->stop();
        }
    }

    private function touch(int $time): void
    {
        // Before the first sign of life, so that a pod which tells of its messages counts them from 0 on.
        if ($this->bounds && !$this->counts) {
            $this->counts = $this->before();
            $this->write();
        }
        if (null !== $this->file) {
            @touch($this->file, $time); // A full or missing volume is no reason to fail a message.
        }
    }

    private function count(int $outcome): void
    {
        if ($this->counts) {
            ++$this->counts[$outcome];
            $this->isDone = true;
        }
    }

    /** Told only now that the broker knows: a worker that dies before has not counted what will be handled again. */
    private function tell(float $seconds): void
    {
        $this->isDone = false;
        $bucket = 0;
        while ($bucket < \count($this->bounds) && $seconds > $this->bounds[$bucket]) {
            ++$bucket;
        }
        ++$this->counts[self::BUCKETS + $bucket];
        $this->counts[self::SECONDS] += max(0.0, $seconds);
        $this->write();
    }

    private function write(): void
    {
        $format = static function ($count): string { return sprintf(\is_int($count) ? '%012d' : '%018.6F', $count); };
        $mark = array_sum(\array_slice($this->counts, self::BUCKETS));
        // In place and always as long: no reader finds it empty, and no volume is too full for it.
        $line = sprintf("%012d %s %012d\n", $mark, implode(' ', array_map($format, $this->counts)), $mark);
        if ($file = @fopen($this->file.'.counts', 'c')) {
            @fwrite($file, $line);
            fclose($file);
        }
    }

    /**
     * What the workers before this one with its number have counted, so that a rotation does not begin at 0.
     *
     * @return array<int, int|float>
     */
    private function before(): array
    {
        $fields = preg_split('/\s+/', trim((string) @file_get_contents($this->file.'.counts')));
        $length = self::BUCKETS + \count($this->bounds) + 1;
        $is = \count($fields) === $length + 2 && $fields[0] === $fields[$length + 1];
        $counts = $is ? array_map('intval', \array_slice($fields, 1, $length)) : array_fill(0, $length, 0);
        $counts[self::SECONDS] = $is ? (float) $fields[1 + self::SECONDS] : 0.0;

        return $counts;
    }
}
