<?php

declare(strict_types=1);

namespace App\Controller;

use App\GitHub\WebhookSignature;
use App\Message\GitHubEvent;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Messenger\MessageBusInterface;

/** Takes a webhook in, checks who sent it and queues it; the work itself is the consumers'. */
final class ReceiveGitHubWebhook
{
    public function __construct(
        private readonly WebhookSignature $signature,
        private readonly MessageBusInterface $bus,
    ) {
    }

    public function __invoke(Request $request): Response
    {
        if (!$this->signature->isValid($request->getContent(), $request->headers->get('X-Hub-Signature-256', ''))) {
            return new JsonResponse(['error' => 'the signature does not match'], Response::HTTP_UNAUTHORIZED);
        }

        $delivery = $request->headers->get('X-GitHub-Delivery', '');
        $name = $request->headers->get('X-GitHub-Event', '');
        $payload = json_decode($request->getContent(), true);
        if ('' === $delivery || '' === $name || !\is_array($payload)) {
            return new JsonResponse(
                ['error' => 'needs X-GitHub-Delivery, X-GitHub-Event and a JSON object as body'],
                Response::HTTP_BAD_REQUEST,
            );
        }

        $this->bus->dispatch(new GitHubEvent($delivery, $name, $payload));

        return new JsonResponse(['queued' => $delivery], Response::HTTP_ACCEPTED);
    }
}
