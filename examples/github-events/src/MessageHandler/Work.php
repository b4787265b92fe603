<?php

declare(strict_types=1);

namespace App\MessageHandler;

/**
 * The ways handlers spend their time. They differ in what a SIGTERM to the worker does to them:
 *
 *   wait      short sleeps until the time is over, with a share of CPU: finishes as if nothing happened
 *   shell     a child process: unharmed, unless the signal goes to the whole process group
 *   database  a query (PostgreSQL): unharmed
 *   curl      a request to a slow service: unharmed
 *   sleep     one sleep(): the signal cuts it short, and the handler goes on too early
 *   select    one stream_select(): the signal interrupts it, and the handler throws
 */
final class Work
{
    private const SLICE_SECONDS = 0.05;

    public function __construct(
        private readonly ?string $databaseUrl,
        private readonly ?string $serviceUrl,
    ) {
    }

    /**
     * @param float $cpuShare 0 to 1, of one core; only for "wait"
     *
     * @throws \RuntimeException if the work was disturbed
     */
    public function do(float $seconds, string $how, float $cpuShare = 0.0): void
    {
        match ($how) {
            'wait' => $this->wait($seconds, $cpuShare),
            'shell' => $this->shell($seconds),
            'database' => $this->query($seconds),
            'curl' => $this->request($seconds),
            'sleep' => sleep((int) ceil($seconds)),
            'select' => $this->select($seconds),
        };
    }

    private function wait(float $seconds, float $cpuShare): void
    {
        $start = hrtime(true);
        $end = $start + (int) ($seconds * 1e9);
        while (($now = hrtime(true)) < $end) {
            $slice = min(self::SLICE_SECONDS, ($end - $now) / 1e9);
            $busyUntil = $now + (int) ($slice * $cpuShare * 1e9);
            while (hrtime(true) < $busyUntil);
            // A signal ends usleep early; the loop sleeps on.
            usleep((int) ($slice * (1 - $cpuShare) * 1e6));
        }
    }

    private function shell(float $seconds): void
    {
        passthru(sprintf('exec sleep %.3F', $seconds), $status);
        if (0 !== $status) {
            throw new \RuntimeException(sprintf('the child process ended with status %d', $status));
        }
    }

    private function query(float $seconds): void
    {
        $url = parse_url($this->databaseUrl ?? '');
        if (!isset($url['host'], $url['user'])) {
            throw new \RuntimeException('DATABASE_URL: needed for work in the database (postgresql://user@host:port/name)');
        }
        $dsn = sprintf('pgsql:host=%s;port=%d;dbname=%s', $url['host'], $url['port'] ?? 5432, ltrim($url['path'] ?? '', '/'));
        (new \PDO($dsn, $url['user'], $url['pass'] ?? null))->query(sprintf('SELECT pg_sleep(%.3F)', $seconds));
    }

    private function request(float $seconds): void
    {
        if (!\function_exists('curl_init') || null === $this->serviceUrl) {
            throw new \RuntimeException('SERVICE_URL and PHP\'s curl extension: needed for work by "curl"');
        }
        $curl = curl_init($this->serviceUrl.'?seconds='.sprintf('%.3F', $seconds));
        curl_setopt($curl, \CURLOPT_RETURNTRANSFER, true);
        if (false === curl_exec($curl)) {
            throw new \RuntimeException('the request was interrupted: '.curl_error($curl));
        }
    }

    private function select(float $seconds): void
    {
        [$here, $there] = stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0);
        $read = [$here];
        $none = null;
        $microseconds = (int) (($seconds - floor($seconds)) * 1e6);
        if (false === stream_select($read, $none, $none, (int) $seconds, $microseconds)) {
            throw new \RuntimeException('stream_select was interrupted');
        }
        fclose($there);
    }
}
