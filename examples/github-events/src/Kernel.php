<?php

declare(strict_types=1);

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    /** The transports whose options config/messenger.php knows. */
    public const TRANSPORTS = ['redis', 'amqp', 'doctrine'];

    public static function fromEnvironment(): self
    {
        return new self(getenv('APP_ENV') ?: 'prod', (bool) getenv('APP_DEBUG'));
    }

    /** Which of TRANSPORTS the DSN in MESSENGER_TRANSPORT_DSN asks for. */
    public static function transport(): string
    {
        $scheme = strstr(getenv('MESSENGER_TRANSPORT_DSN') ?: '', '://', true);
        if (!\in_array($scheme, self::TRANSPORTS, true)) {
            throw new \InvalidArgumentException(sprintf(
                'MESSENGER_TRANSPORT_DSN: no known transport (got "%s"): write one of %s.',
                false === $scheme ? '' : $scheme.'://...',
                implode('://, ', self::TRANSPORTS).'://',
            ));
        }

        return $scheme;
    }

    public function registerBundles(): iterable
    {
        return [new FrameworkBundle()];
    }

    public function getProjectDir(): string
    {
        return \dirname(__DIR__);
    }

    /**
     * One compiled container per transport, so that an image warms all three when it is built and the
     * broker is still chosen when it starts. At run time the directory is only read.
     */
    public function getCacheDir(): string
    {
        return (getenv('APP_CACHE_DIR') ?: $this->getProjectDir().'/var/cache')
            .'/'.$this->environment.'-'.self::transport();
    }

    /** Nothing logs to files (a container's log is its stderr), but the kernel wants the directory to exist. */
    public function getLogDir(): string
    {
        return $this->getCacheDir();
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $container->import('../config/framework.php');
        $container->import('../config/messenger.php');
        $container->import('../config/services.php');
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->add('github_webhook', '/webhooks/github')
            ->controller(Controller\ReceiveGitHubWebhook::class)
            ->methods(['POST']);
    }
}
