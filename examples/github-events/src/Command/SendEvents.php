<?php

declare(strict_types=1);

namespace App\Command;

use App\Message\GitHubEvent;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;
use Symfony\Component\Messenger\MessageBusInterface;
use Symfony\Component\Messenger\Stamp\DelayStamp;

/**
 * Queues events without GitHub: one JSON object per line of standard input, {"delivery": "...", "payload": {...}},
 * with "delaySeconds" for one that is to be handled later. With -v it says of each when the broker has taken it.
 */
#[AsCommand(name: 'app:send-events', description: 'Queues the events given as JSON lines on standard input')]
final class SendEvents extends Command
{
    public function __construct(private readonly MessageBusInterface $bus)
    {
        parent::__construct();
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $sent = 0;
        while (false !== $line = fgets(\STDIN)) {
            $event = json_decode($line, true, 64, \JSON_THROW_ON_ERROR);
            $stamps = isset($event['delaySeconds']) ? [new DelayStamp((int) (1000 * $event['delaySeconds']))] : [];
            $this->bus->dispatch(new GitHubEvent($event['delivery'], $event['name'] ?? 'push', $event['payload'] ?? []), $stamps);
            ++$sent;
            $output->writeln(sprintf('queued %s', $event['delivery']), OutputInterface::VERBOSITY_VERBOSE);
        }
        $output->writeln(sprintf('%d queued', $sent));

        return Command::SUCCESS;
    }
}
