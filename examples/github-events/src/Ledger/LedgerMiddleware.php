<?php

declare(strict_types=1);

namespace App\Ledger;

use App\Message\GitHubEvent;
use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Event\WorkerStartedEvent;
use Symfony\Component\Messenger\Middleware\MiddlewareInterface;
use Symfony\Component\Messenger\Middleware\StackInterface;
use Symfony\Component\Messenger\Stamp\ReceivedStamp;
use Symfony\Component\Messenger\Stamp\RedeliveryStamp;

/** Writes to the ledger when a worker begins to consume, and when it starts, finishes or fails a message. */
final class LedgerMiddleware implements MiddlewareInterface, EventSubscriberInterface
{
    public function __construct(private readonly Ledger $ledger)
    {
    }

    public static function getSubscribedEvents(): array
    {
        return [WorkerStartedEvent::class => 'workerStarted'];
    }

    public function workerStarted(): void
    {
        $this->ledger->record('consuming');
    }

    public function handle(Envelope $envelope, StackInterface $stack): Envelope
    {
        $event = $envelope->getMessage();
        if (!$event instanceof GitHubEvent || null === $envelope->last(ReceivedStamp::class)) {
            return $stack->next()->handle($envelope, $stack);
        }

        $message = [
            'message' => $event->delivery,
            // 0, or how many times Symfony has retried it after a failure. A message that comes back
            // because its worker was killed keeps its number.
            'attempt' => RedeliveryStamp::getRetryCountFromEnvelope($envelope),
        ];
        $this->ledger->record('started', $message);
        try {
            $envelope = $stack->next()->handle($envelope, $stack);
        } catch (\Throwable $failure) {
            $this->ledger->record('failed', $message + ['reason' => substr($failure->getMessage(), 0, 200)]);
            throw $failure;
        }
        $this->ledger->record('finished', $message);

        return $envelope;
    }
}
