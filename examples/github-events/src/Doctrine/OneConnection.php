<?php

declare(strict_types=1);

namespace App\Doctrine;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Doctrine\Persistence\ConnectionRegistry;

/** The single PostgreSQL connection of the application, DATABASE_URL, opened when first used. */
final class OneConnection implements ConnectionRegistry
{
    private ?Connection $connection = null;

    public function __construct(private readonly ?string $url)
    {
    }

    public function getDefaultConnectionName(): string
    {
        return 'default';
    }

    public function getConnection(?string $name = null): Connection
    {
        return $this->connection ??= $this->connect();
    }

    /** @return array<string, Connection> */
    public function getConnections(): array
    {
        return ['default' => $this->getConnection()];
    }

    /** @return array<string, string> */
    public function getConnectionNames(): array
    {
        return ['default' => 'doctrine.dbal.default_connection'];
    }

    private function connect(): Connection
    {
        $url = parse_url($this->url ?? '');
        if (!isset($url['host'], $url['user'], $url['path'])) {
            throw new \InvalidArgumentException('DATABASE_URL: the doctrine:// transport needs postgresql://user:password@host:port/name.');
        }

        return DriverManager::getConnection([
            'driver' => 'pdo_pgsql',
            'host' => $url['host'],
            'port' => $url['port'] ?? 5432,
            'user' => rawurldecode($url['user']),
            'password' => rawurldecode($url['pass'] ?? ''),
            'dbname' => ltrim($url['path'], '/'),
        ]);
    }
}
