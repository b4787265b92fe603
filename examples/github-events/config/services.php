<?php

declare(strict_types=1);

use App\Controller\ReceiveGitHubWebhook;
use App\Doctrine\OneConnection;
use App\GitHub\WebhookSignature;
use App\Ledger\Ledger;
use App\MessageHandler\Work;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\Messenger\Bridge\Doctrine\Transport\DoctrineTransportFactory;

use function Symfony\Component\DependencyInjection\Loader\Configurator\service;

return static function (ContainerConfigurator $container): void {
    $services = $container->services()->defaults()->autowire()->autoconfigure();

    $services->load('App\\', '../src/')->exclude(['../src/Kernel.php', '../src/Message/']);
    $services->get(ReceiveGitHubWebhook::class)->tag('controller.service_arguments');
    $services->get(WebhookSignature::class)->arg('$secret', '%env(GITHUB_WEBHOOK_SECRET)%');
    $services->get(Ledger::class)
        ->arg('$file', '%env(default::LEDGER_FILE)%')
        ->arg('$worker', '%env(MESSENGER_CONSUMER_NAME)%');
    $services->get(OneConnection::class)->arg('$url', '%env(default::DATABASE_URL)%');
    $services->get(Work::class)
        ->arg('$databaseUrl', '%env(default::DATABASE_URL)%')
        ->arg('$serviceUrl', '%env(default::SERVICE_URL)%');

    // DoctrineBundle would register this factory; Debian has no package of that bundle.
    $services->set(DoctrineTransportFactory::class)
        ->args([service(OneConnection::class)])
        ->tag('messenger.transport_factory');
};
