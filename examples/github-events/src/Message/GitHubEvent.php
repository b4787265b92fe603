<?php

declare(strict_types=1);

namespace App\Message;

/** One delivery of a GitHub webhook, as it stands in the queue. */
final class GitHubEvent
{
    /**
     * @param string               $delivery GitHub's X-GitHub-Delivery, unique per event
     * @param string               $name     GitHub's X-GitHub-Event: push, pull_request, ...
     * @param array<string, mixed> $payload  the webhook's JSON body
     */
    public function __construct(
        public readonly string $delivery,
        public readonly string $name,
        public readonly array $payload,
    ) {
    }
}
