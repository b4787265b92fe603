<?php

declare(strict_types=1);

namespace App\MessageHandler;

use App\Message\GitHubEvent;
use Symfony\Component\Messenger\Attribute\AsMessageHandler;

/**
 * The slow part. In the article this clones a repository and looks its dependencies up; here the event itself
 * says how long it takes and how: {"work": {"seconds": 12.5, "how": "wait", "cpuShare": 0.2}}.
 */
#[AsMessageHandler]
final class HandleGitHubEvent
{
    public function __construct(private readonly Work $work)
    {
    }

    public function __invoke(GitHubEvent $event): void
    {
        $asked = $event->payload['work'] ?? [];

        $this->work->do(
            (float) ($asked['seconds'] ?? 0.5),
            (string) ($asked['how'] ?? 'wait'),
            (float) ($asked['cpuShare'] ?? 0.0),
        );
    }
}
