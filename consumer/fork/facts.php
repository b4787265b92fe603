<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

require_once __DIR__.'/state.php';

/** What a boot has left in this process, asked of it at the moment of the fork. Judged in fork_proof.py. */
final class Facts
{
    /**
     * @param array<int, string> $descriptors what was open before the boot
     * @param string[]           $libraries   what was loaded before it
     *
     * @return array<string, mixed>
     */
    public static function of(array $descriptors, array $libraries, object $input): array
    {
        $facts = [
            'bootKibibytes' => self::ownKibibytes(),
            'descriptors' => Process::openedSince($descriptors),
            'threads' => Process::threads(),
            'alarmSeconds' => Process::alarm(),
            'libraries' => array_values(array_filter(
                array_merge(array_diff(Process::libraries(), $libraries), [(string) ini_get('ffi.preload')])
            )),
            'extensions' => self::extensions(),
            'arguments' => is_a($input, 'Symfony\Component\Console\Input\ArgvInput')
                && property_exists('Symfony\Component\Console\Input\ArgvInput', 'tokens'),
            'missing' => array_values(array_filter(
                Hook::NEEDS,
                static function (string $name): bool { return !\function_exists($name); }
            )),
        ];

        return $facts['missing'] ? $facts : $facts + ['draws' => self::draws()];
    }

    /**
     * What it holds: noted in a file, or held against what another boot has noted there. For a copy of a process: it
     * has no handlers afterwards.
     *
     * @return array<string, mixed> without any value
     */
    public static function compare(object $application, string $file, bool $isFirst): array
    {
        $container = method_exists($application, 'getKernel') ? $application->getKernel()->getContainer() : null;
        $state = new State((string) getenv('EBBTIDE_FORK_KEY'));
        $values = $state->of($container, debug_backtrace(\DEBUG_BACKTRACE_PROVIDE_OBJECT));
        $facts = ['values' => \count($values), 'generators' => $state->generators];
        if ($isFirst) {
            self::write($file, serialize([$values, $state->unseen]));

            return $facts + ['unseen' => $state->unseen];
        }
        // What a person reads; the rest is counted.
        $shown = static function (array $places): array { return \array_slice(array_values($places), 0, 10); };
        ksort($values, \SORT_STRING);
        $facts['digest'] = hash('sha256', serialize($values));
        if (!is_file($file)) {
            // Another's boot was held against it, and this one is to be like that.
            return $facts + ['unseen' => $shown(array_unique($state->unseen))];
        }
        [$first, $unseen] = unserialize((string) file_get_contents($file), ['allowed_classes' => false]);
        $differences = State::differences($first, $values);

        return $facts + [
            'different' => \count($differences),
            'differences' => $shown($differences),
            'unseen' => $shown(array_unique(array_merge($unseen, $state->unseen))),
        ];
    }

    /** Nobody else reads it, and nobody reads half of it. Nor does half of it stay: what is full is the state directory. */
    private static function write(string $file, string $text): void
    {
        $before = umask(0077);
        if (\strlen($text) !== @file_put_contents("$file.new", $text) || !rename("$file.new", $file)) {
            @unlink("$file.new");
            throw new \RuntimeException("cannot write $file");
        }
        umask($before);
    }

    /** @return string[] some are off by an option, and are then as if they were not there */
    private static function extensions(): array
    {
        $names = array_unique(array_map('strtolower', array_merge(get_loaded_extensions(), get_loaded_extensions(true))));
        $off = [];
        foreach (['apcu' => 'apc.enable_cli', 'ffi' => 'ffi.enable'] as $name => $option) {
            if (\in_array(strtolower((string) ini_get($option)), ['', '0', 'false', 'off', 'no'], true)) {
                $off[] = $name;
            }
        }

        return array_values(array_diff($names, $off));
    }

    /** What this process has made for itself in memory, without what files and shared memory hold. */
    private static function ownKibibytes(): int
    {
        $rollup = @file_get_contents('/proc/self/smaps_rollup') ?: '';

        return preg_match('/^Anonymous:\s+(\d+) kB/m', $rollup, $found) ? (int) $found[1] : 0;
    }

    /** @return string[] what two children draw after the fork from generators that PHP seeds itself */
    private static function draws(): array
    {
        $draws = [];
        for ($child = 0; $child < 2; ++$child) {
            [$mine, $its] = stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0);
            if (0 === $pid = pcntl_fork()) {
                fwrite($its, sprintf("%.17g\n", lcg_value()));
                posix_kill(getmypid(), \SIGKILL);
            }
            fclose($its);
            $draws[] = trim((string) fgets($mine));
            pcntl_waitpid($pid, $status);
        }

        return $draws;
    }
}
