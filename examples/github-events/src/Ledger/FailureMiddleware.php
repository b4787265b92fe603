<?php

declare(strict_types=1);

namespace App\Ledger;

use App\Message\GitHubEvent;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Middleware\MiddlewareInterface;
use Symfony\Component\Messenger\Middleware\StackInterface;
use Symfony\Component\Messenger\Stamp\ReceivedStamp;
use Symfony\Component\Messenger\Stamp\RedeliveryStamp;

/** Fails a message as often as it asks for, {"work": {"failures": 1}}: so that a rehearsal sees what retries do. */
final class FailureMiddleware implements MiddlewareInterface
{
    public function handle(Envelope $envelope, StackInterface $stack): Envelope
    {
        $event = $envelope->getMessage();
        $asked = $event instanceof GitHubEvent ? (int) ($event->payload['work']['failures'] ?? 0) : 0;
        if (null !== $envelope->last(ReceivedStamp::class) && RedeliveryStamp::getRetryCountFromEnvelope($envelope) < $asked) {
            throw new \RuntimeException('failed as it was asked to');
        }

        return $stack->next()->handle($envelope, $stack);
    }
}
