<?php

declare(strict_types=1);

use App\Kernel;
use App\Ledger\FailureMiddleware;
use App\Ledger\LedgerMiddleware;
use App\Message\GitHubEvent;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;

/*
 * The options that decide how soon a message comes back whose worker was killed.
 *
 * REDELIVER_TIMEOUT (seconds) is longer than the longest message, or a message that is still being handled
 * is given to a second worker; and not much longer, or a lost one waits. Here: the longest message, 200 s, plus
 * 30. Symfony's own default is an hour.
 */
return static function (ContainerConfigurator $container): void {
    $container->parameters()->set('env(REDELIVER_TIMEOUT)', '230');
    // Before the first retry of a failed message, in ms; Symfony's own default, twice as long for each further one.
    $container->parameters()->set('env(RETRY_DELAY)', '1000');

    $options = match (Kernel::transport()) {
        'redis' => [
            'stream' => 'githubevents',
            'group' => 'githubevents',
            // One name per worker process. With the default, the constant "consumer", a starting worker
            // reads again what all the others are handling.
            'consumer' => '%env(MESSENGER_CONSUMER_NAME)%',
            'redeliver_timeout' => '%env(int:REDELIVER_TIMEOUT)%',
            // How often (ms) each worker looks for a left-behind message; it takes one per look, and only the oldest.
            'claim_interval' => 5000,
            'delete_after_ack' => true, // otherwise the stream keeps every message for ever
        ],
        'amqp' => [
            'exchange' => ['name' => 'githubevents', 'type' => 'fanout'],
            'queues' => ['githubevents' => []],
            // RabbitMQ gives a message back the moment the connection of a killed worker closes: nothing to
            // set. Leave `heartbeat` off: PHP sends none during a long handler, so the broker would
            // take the message back while it is being handled. (The broker's own TCP keep-alive finds dead nodes.)
        ],
        'doctrine' => [
            'table_name' => 'githubevents',
            'redeliver_timeout' => '%env(int:REDELIVER_TIMEOUT)%',
            // With LISTEN/NOTIFY an idle worker reads the table only when told, or this often (ms).
            // Nobody tells it about a message that comes back, nor about a retry that falls due.
            'check_delayed_interval' => 5000,
        ],
    };

    $container->extension('framework', [
        'messenger' => [
            'transports' => [
                'githubevents' => [
                    'dsn' => '%env(MESSENGER_TRANSPORT_DSN)%',
                    // Run `messenger:setup-transports` when deploying: 70 workers that start together and
                    // all find no table would all create it.
                    'options' => ['auto_setup' => false] + $options,
                    'retry_strategy' => ['delay' => '%env(int:RETRY_DELAY)%'],
                ],
            ],
            'routing' => [GitHubEvent::class => 'githubevents'],
            'buses' => ['messenger.bus.default' => ['middleware' => [LedgerMiddleware::class, FailureMiddleware::class]]],
        ],
    ]);
};
