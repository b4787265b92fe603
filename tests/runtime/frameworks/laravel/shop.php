<?php

declare(strict_types=1);

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Foundation\Console\Kernel as FoundationKernel;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\InteractsWithQueue;

/** Writes to the ledger. One write to a file that is opened to append: lines of several processes do not mix. */
function note(string $event, array $more = []): void
{
    $line = ['event' => $event, 'worker' => getenv('MESSENGER_CONSUMER_NAME'), 'pid' => getmypid()];
    $line += ['monotonic_ns' => hrtime(true)] + $more;
    file_put_contents(getenv('LEDGER_FILE'), json_encode($line, \JSON_THROW_ON_ERROR)."\n", \FILE_APPEND);
}

final class Work implements ShouldQueue
{
    use Dispatchable;
    use InteractsWithQueue;
    use Queueable;

    public function __construct(private string $message, private float $seconds)
    {
    }

    public function handle(): void
    {
        note('started', ['message' => $this->message]);
        // A signal ends a sleep early; the loop sleeps on.
        for ($end = hrtime(true) + $this->seconds * 1e9; hrtime(true) < $end;) {
            usleep(20_000);
        }
        note('finished', ['message' => $this->message]);
    }
}

final class Kernel extends FoundationKernel
{
    protected function commands(): void
    {
        $this->command('shop:send', function () {
            while (false !== $line = fgets(\STDIN)) {
                $job = json_decode($line, true, 8, \JSON_THROW_ON_ERROR);
                Work::dispatch($job['message'], $job['seconds'])->delay($job['delay'] ?? null);
            }
        });
        $consuming = false;
        $this->app['events']->listen(Looping::class, function () use (&$consuming) {
            if (!$consuming) {
                note('consuming');
            }
            $consuming = true;
        });
    }
}
