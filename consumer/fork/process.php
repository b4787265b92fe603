<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

/** What a boot must not leave behind, asked of this process itself. */
final class Process
{
    /** @return array<int, string> what each open descriptor is */
    public static function descriptors(): array
    {
        $open = [];
        foreach (@scandir('/proc/self/fd') ?: [] as $name) {
            if (ctype_digit($name) && false !== $target = @readlink("/proc/self/fd/$name")) {
                $open[(int) $name] = $target;
            }
        }

        return $open;
    }

    /**
     * Descriptors that all children would share: their position, their lock, their connection.
     *
     * @param array<int, string> $before
     *
     * @return string[]
     */
    public static function openedSince(array $before): array
    {
        $harmless = array_merge(array_values($before), ['/dev/null', '/dev/urandom', '/dev/random']);
        if ([] === $now = self::descriptors()) {
            // To look at them takes one, so that there is no process with none.
            return ['what nobody sees (/proc/self/fd cannot be read; open_basedir must allow /proc)'];
        }
        $opened = array_filter($now, static function (string $target) use ($harmless): bool {
            // A second descriptor of the container's own output is what the console writes to. One is open to look here;
            // another one of /proc would tell each child about the parent.
            return !\in_array($target, $harmless, true) && !preg_match('{^/proc/\d+/fd$}D', $target);
        });

        return array_values(array_unique($opened));
    }

    public static function threads(): int
    {
        return max(1, \count(@scandir('/proc/self/task') ?: []) - 2);
    }

    /** @return int in how many seconds this process gets SIGALRM; 0 for never */
    public static function alarm(): int
    {
        $seconds = \function_exists('pcntl_alarm') ? pcntl_alarm(0) : 0;
        $seconds > 0 && pcntl_alarm($seconds);

        return $seconds;
    }

    /** @return string[] the shared objects in its memory; without those that the C library loads as it needs them */
    public static function libraries(): array
    {
        preg_match_all('{ (/\S+\.so\S*)$}m', @file_get_contents('/proc/self/maps') ?: '', $found);

        return preg_grep('{/gconv/|/libnss_}', array_unique($found[1]), \PREG_GREP_INVERT) ?: [];
    }

    /** The file that the application's own settings run first: ours has taken its place. */
    public static function prepended(): string
    {
        $prepended = '';
        foreach (explode(',', php_ini_loaded_file().','.php_ini_scanned_files()) as $file) {
            if ('' !== ($file = trim($file)) && 0 !== strpos($file, __DIR__.'/')) {
                $prepended = (@parse_ini_file($file) ?: [])['auto_prepend_file'] ?? $prepended;
            }
        }

        return 'none' === $prepended ? '' : (string) $prepended;
    }

    /** Runs something in a copy of this process, which nobody waits for: PID 1 takes it in. */
    public static function inCopy(callable $task): void
    {
        if (0 === $between = pcntl_fork()) {
            0 === pcntl_fork() && self::asCopy($task);
            Hook::vanish();
        }
        $between > 0 && pcntl_waitpid($between, $status);
    }

    /**
     * Asks a copy of this process: to look at everything takes memory, with which all children would begin.
     *
     * @return string empty where it could not answer
     */
    public static function askCopy(callable $task): string
    {
        [$mine, $its] = stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0);
        if (0 === $copy = pcntl_fork()) {
            self::asCopy(static function () use ($task, $its): void { fwrite($its, $task()); });
        }
        fclose($its);
        stream_set_timeout($mine, 86400);
        $answer = (string) stream_get_contents($mine);
        $copy > 0 && pcntl_waitpid($copy, $status);

        return $answer;
    }

    /**
     * Nothing of the application runs in it, not even at its end, and no signal to another's group reaches it.
     *
     * @return never
     */
    private static function asCopy(callable $task): void
    {
        posix_setpgid(0, 0);
        ini_set('memory_limit', '-1');
        try {
            $task();
        } catch (\Throwable $error) {
            // Whoever waits is told by the silence.
        }
        Hook::vanish();
    }
}
