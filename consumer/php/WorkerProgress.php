<?php

declare(strict_types=1);

namespace App\Ebbtide;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\Event\WorkerStartedEvent;

/**
 * Tells the container's PID 1 whether this worker consumes, and since when it has a message in flight; and stops the
 * worker between two messages when the pod drains, also where its signal was not heard.
 *
 * Optional: copy it into the application's src/Ebbtide/; autoconfiguration does the rest. Outside the consumer
 * image it does nothing. Costs two touches of a file in memory for each message.
 */
final class WorkerProgress implements EventSubscriberInterface
{
    /** A time that is no time: nothing in flight. */
    private const IDLE = 1;

    /** @var string|null */
    private $file;
    /** @var string|null */
    private $stopFile;
    private bool $isKnownIdle = false;
    private bool $isWithoutSignal;

    public function __construct()
    {
        $directory = getenv('EBBTIDE_STATE_DIRECTORY');
        $number = getenv('EBBTIDE_PROCESS_NUMBER');
        $this->isWithoutSignal = 'stopFile' === getenv('EBBTIDE_DRAIN');
        if (false !== $directory && false !== $number) {
            $this->file = $directory.'/workers/'.$number;
            $this->stopFile = $directory.'/stop';
        }
    }

    public static function getSubscribedEvents(): array
    {
        return [
            // Since 6.3 Symfony forgets a signal that comes before it has a worker.
            WorkerStartedEvent::class => ['stopIfDraining', -1000],
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

    public function end(WorkerRunningEvent $event): void
    {
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
        if (null !== $this->file) {
            @touch($this->file, $time); // A full or missing volume is no reason to fail a message.
        }
    }
}
