<?php

declare(strict_types=1);

namespace App\Ebbtide;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;

/**
 * Tells the container's PID 1 whether this worker consumes, and since when it has a message in hand.
 *
 * Optional: copy it into the application's src/Ebbtide/; autoconfiguration does the rest. Outside the consumer
 * image it does nothing. Costs two touches of a file in memory for each message.
 */
final class WorkerProgress implements EventSubscriberInterface
{
    /** A time that is no time: nothing in hand. */
    private const IDLE = 1;

    /** @var string|null */
    private $file;
    private bool $isKnownIdle = false;

    public function __construct()
    {
        $directory = getenv('EBBTIDE_STATE_DIRECTORY');
        $number = getenv('EBBTIDE_PROCESS_NUMBER');
        $this->file = false === $directory || false === $number ? null : $directory.'/workers/'.$number;
    }

    public static function getSubscribedEvents(): array
    {
        return [
            // Before other listeners: what they do belongs to the message.
            WorkerMessageReceivedEvent::class => ['begin', 1000],
            // After each message, when it has been acknowledged, and after each look at an empty queue.
            WorkerRunningEvent::class => ['end', -1000],
        ];
    }

    public function begin(): void
    {
        $this->touch(time());
        $this->isKnownIdle = false;
    }

    public function end(): void
    {
        if (!$this->isKnownIdle) {
            $this->touch(self::IDLE);
            $this->isKnownIdle = true;
        }
    }

    private function touch(int $time): void
    {
        if (null !== $this->file) {
            @touch($this->file, $time); // A full or missing volume is no reason to fail a message.
        }
    }
}
