<?php

declare(strict_types=1);

namespace App\GitHub;

/** Checks GitHub's X-Hub-Signature-256: "sha256=" and the HMAC of the raw body under the shared secret. */
final class WebhookSignature
{
    public function __construct(private readonly string $secret)
    {
        if ('' === $secret) {
            throw new \InvalidArgumentException('GITHUB_WEBHOOK_SECRET: is empty, and then anyone could sign: set the secret of the webhook.');
        }
    }

    public function isValid(string $body, string $header): bool
    {
        // hash_equals takes the same time wherever the two differ, so a forger learns nothing from it.
        return hash_equals('sha256='.hash_hmac('sha256', $body, $this->secret), $header);
    }
}
