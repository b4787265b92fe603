<?php

declare(strict_types=1);

namespace App\Ledger;

/**
 * A record of what happened to every message, for tests and rehearsals: one JSON line per event.
 *
 * Off unless LEDGER_FILE names a file. Many workers may share it: a line is one write to a file opened for
 * appending, so lines never mix. The time is CLOCK_MONOTONIC, which all containers of a node share.
 */
final class Ledger
{
    /** @var resource|null */
    private $handle;

    public function __construct(private readonly ?string $file, private readonly string $worker)
    {
    }

    /** @param array<string, scalar> $details */
    public function record(string $event, array $details = []): void
    {
        if (null === $this->file || '' === $this->file) {
            return;
        }
        if (null === $this->handle) {
            $this->handle = @fopen($this->file, 'ab') ?: throw new \RuntimeException(sprintf('LEDGER_FILE: cannot append to "%s".', $this->file));
            stream_set_write_buffer($this->handle, 0);
        }
        $line = json_encode([
            'monotonic_ns' => hrtime(true),
            'event' => $event,
            'worker' => $this->worker,
            'pid' => getmypid(),
        ] + $details, \JSON_THROW_ON_ERROR)."\n";
        if (\strlen($line) !== fwrite($this->handle, $line)) {
            throw new \RuntimeException(sprintf('LEDGER_FILE: could not write to "%s".', $this->file));
        }
    }
}
