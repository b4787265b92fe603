<?php

/**
 * Boots the application once, by its own console, and forks the workers from there.
 *
 * Runs before the console (auto_prepend_file) and then waits for one class: Symfony loads ConsoleCommandEvent when
 * the kernel has booted and the command is known, and before any listener is made or any transport connects. There
 * this process becomes the parent and stays; each child returns and is a worker like any other.
 *
 * PHP 7.4, like the oldest application that the image takes.
 */

declare(strict_types=1);

namespace Ebbtide\Fork;

require __DIR__.'/process.php';
require __DIR__.'/classes.php';
require __DIR__.'/variables.php';

/** Waits for the moment to fork, then is the parent. */
final class Hook
{
    private const MOMENT = 'Symfony\Component\Console\Event\ConsoleCommandEvent';
    private const CONSUMES = 'Symfony\Component\Messenger\Worker';
    private const STARTED = 'Symfony\Component\Messenger\Event\WorkerStartedEvent';
    private const RUNNING = 'Symfony\Component\Messenger\Event\WorkerRunningEvent';
    /** These tell a child where it is: it must be the child that loads them. */
    public const OWN = [self::CONSUMES, self::STARTED, self::RUNNING];
    public const NEEDS = [
        'pcntl_fork', 'pcntl_waitpid', 'pcntl_sigprocmask', 'pcntl_signal_get_handler', 'posix_kill', 'posix_setpgid',
        'stream_socket_client', 'debug_backtrace',
    ];
    private const COMMAND = 'messenger:consume';
    private const STOPPED_BY_FILE = 37;
    private const REFUSED = 70;
    private const SIGNALS = [\SIGTERM, \SIGINT, \SIGQUIT, \SIGHUP, \SIGUSR1, \SIGUSR2, \SIGALRM, \SIGWINCH];

    /** @var self|null */
    private static $hook;
    /** @var array<int, string> */
    private $descriptors;
    /** @var string[] */
    private $libraries;
    /** @var string|null where the first worker of a container, which has booted by itself, notes what its boot has made */
    private $note;
    /** @var int[] signals that nobody had blocked */
    private $blocked = [];
    /** @var bool */
    private $isTaught = false;
    /** @var bool */
    private $isWorker = false;
    /** @var bool */
    private $hasStarted = false;
    /** @var string|null where this child says what else it had to load */
    private $lessons;
    /** @var array<string, true|string> */
    private $known = [];

    public function __construct()
    {
        $this->descriptors = Process::descriptors();
        $this->libraries = Process::libraries();
        $this->note = getenv('EBBTIDE_FORK_FIRST') ?: null;
        self::$hook = $this;
        self::beFirst();
    }

    /** Composer puts its autoloader before all others, and whoever comes after it hears of no class that it finds. */
    public static function beFirst(): void
    {
        $load = [self::$hook, 'load'];
        if ($load !== (spl_autoload_functions()[0] ?? null)) {
            spl_autoload_unregister($load);
            spl_autoload_register($load, true, true);
        }
    }

    /** Loads nothing: it only learns what is about to be loaded. */
    public function load(string $class): void
    {
        if (self::MOMENT === $class && !$this->isWorker) {
            $this->become();
        } elseif (self::CONSUMES === $class && !$this->isWorker && null === $this->note) {
            self::refuse('the application consumes without having told the console\'s event dispatcher first');
        } elseif (self::STARTED === $class) {
            $this->hasStarted = true;
        } elseif (self::RUNNING === $class && null !== $this->lessons) {
            is_file($this->lessons) || Classes::write($this->lessons, $this->known);
            $this->lessons = null;
        }
    }

    /** The parent never returns from here. */
    private function become(): void
    {
        [$application, $command, $input] = self::run();
        if (null === $command || self::COMMAND !== $command->getName()) {
            return;
        }
        if (false !== $record = getenv('EBBTIDE_FORK_RECORD')) {
            require __DIR__.'/record.php';
            $this->isWorker = true;
            Record::begin($record, $this->descriptors, $this->libraries, $application, $command, $input);

            return;
        }
        if (null !== $this->note) {
            $this->isWorker = true;
            $this->tell($application, $this->note);

            return;
        }
        if ('' !== $prepended = Process::prepended()) {
            self::refuse("auto_prepend_file is set (got $prepended), and the parent needs it");
        }
        if ($opened = Process::openedSince($this->descriptors)) {
            self::refuse('booting has opened '.implode(', ', $opened));
        }
        if (1 < $threads = Process::threads()) {
            self::refuse("booting has started threads (got $threads)");
        }
        $facts = $this->compare($application, $input);
        // The application's own handler may make exceptions of warnings; here they are answers.
        set_error_handler(static function (): bool { return true; });
        $worker = $this->serve($facts);
        restore_error_handler();
        $this->isWorker = true;
        $this->settle($worker, $input);
    }

    /**
     * Who is about to run which command with what.
     *
     * @return array{0: ?object, 1: ?object, 2: ?object}
     */
    public static function run(): array
    {
        foreach (debug_backtrace(\DEBUG_BACKTRACE_PROVIDE_OBJECT, 12) as $frame) {
            if ('doRunCommand' === $frame['function'] && isset($frame['args'][1])) {
                return [$frame['object'], $frame['args'][0], $frame['args'][1]];
            }
        }

        return [null, null, null];
    }

    /** The first worker: a copy of it notes what the boot has made, and it goes on at once. */
    private function tell(object $application, string $note): void
    {
        $isAble = !array_filter(self::NEEDS, static function (string $name): bool { return !\function_exists($name); });
        set_error_handler(static function (): bool { return true; });
        $socket = 'unix://'.getenv('EBBTIDE_FORK_SOCKET');
        if ($isAble && false !== $channel = stream_socket_client($socket, $number, $reason, 5)) {
            fwrite($channel, "recording\n");
            Process::inCopy(static function () use ($application, $note, $channel): void {
                restore_error_handler();
                require_once __DIR__.'/facts.php';
                Facts::compare($application, $note, true);
                fwrite($channel, "recorded\n");
            });
            fclose($channel);
        }
        restore_error_handler();
        // What the build has listed the parent loads anyhow: to look into 2,119 files takes 0.45 s of CPU.
        $listed = Classes::listed(getenv('EBBTIDE_FORK_CLASSES') ?: '');
        self::beNobodysParent();
        $this->learn($listed);
    }

    /** @return string what this boot has left, and where it is not as the first worker's */
    private function compare(object $application, object $input): string
    {
        if (false === $note = getenv('EBBTIDE_FORK_AGAINST')) {
            return '';
        }
        require_once __DIR__.'/facts.php';
        $facts = Facts::of($this->descriptors, $this->libraries, $input);

        return Process::askCopy(static function () use ($facts, $application, $note): string {
            $flags = \JSON_UNESCAPED_SLASHES | \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_PARTIAL_OUTPUT_ON_ERROR;

            return (string) json_encode($facts + Facts::compare($application, $note, false), $flags);
        });
    }

    /** @return array{0: string, 1: string} number and time limit of the worker that this process, a child, now is */
    private function serve(string $facts): array
    {
        Classes::load(getenv('EBBTIDE_FORK_CLASSES') ?: '');
        $channel = self::connect();
        fwrite($channel, rtrim("parent $facts")."\n");
        @cli_set_process_title('ebbtide: parent of the workers');
        // Nothing that PID 1 or anybody else sends ends the parent half-way, or a child before it can answer.
        pcntl_sigprocmask(\SIG_BLOCK, self::SIGNALS, $before);
        $this->blocked = array_diff(self::SIGNALS, $before);
        gc_collect_cycles();
        gc_mem_caches();
        while (true) {
            $orders = [];
            while (self::isReadable($channel, $orders ? 0 : null)) {
                if (false === $line = fgets($channel)) {
                    self::vanish(); // PID 1 has gone.
                }
                $orders[] = explode(' ', trim($line));
            }
            if (!$this->isTaught && is_file($lessons = self::lessons())) {
                Classes::load($lessons);
                $this->isTaught = true;
            }
            if (null !== $worker = $this->fork($channel, $orders)) {
                return $worker;
            }
        }
    }

    /** @param resource $channel */
    private static function isReadable($channel, ?int $seconds): bool
    {
        $read = [$channel];
        $none = [];

        return 1 === stream_select($read, $none, $none, $seconds);
    }

    /**
     * Forks twice: the workers' parent is gone at once, and the kernel gives them to PID 1.
     *
     * @param resource   $channel
     * @param string[][] $orders
     *
     * @return array{0: string, 1: string}|null null in the parent
     */
    private function fork($channel, array $orders): ?array
    {
        $between = pcntl_fork();
        if ($between > 0) {
            pcntl_waitpid($between, $status);

            return null;
        }
        // Where there is no process between, the parent says for it that there are no workers either.
        foreach ($orders as [$number, $limit, $token]) {
            $worker = 0 === $between ? pcntl_fork() : -1;
            if (0 === $worker) {
                return $this->arrive($channel, $number, $limit, $token);
            }
            if ($worker < 0) {
                fwrite($channel, "failed $token ".pcntl_strerror(pcntl_get_last_error())."\n");
            }
        }
        0 === $between ? self::vanish() : null;

        return null;
    }

    /**
     * @param resource $channel
     *
     * @return array{0: string, 1: string}
     */
    private function arrive($channel, string $number, string $limit, string $token): array
    {
        fclose($channel);
        posix_setpgid(0, 0);
        // PID 1 takes the process on before it runs anything of the application, or turns it away.
        $door = self::connect();
        fwrite($door, "worker $token\n");
        if ("go\n" !== fgets($door)) {
            self::vanish();
        }
        fclose($door);

        return [$number, $limit];
    }

    /** @param array{0: string, 1: string} $worker */
    private function settle(array $worker, object $input): void
    {
        [$number, $limit] = $worker;
        $stop = \constant('SIG'.(getenv('EBBTIDE_STOP_SIGNAL') ?: 'TERM'));
        register_shutdown_function(static function () use ($stop): void { self::endByItself($stop); });
        if (file_exists(getenv('EBBTIDE_STATE_DIRECTORY').'/stop')) {
            exit(self::STOPPED_BY_FILE);
        }
        self::beNobodysParent();
        Variables::set('EBBTIDE_PROCESS_NUMBER', $number);
        Variables::set('MESSENGER_CONSUMER_NAME', getenv('HOSTNAME').'-'.$number);
        Variables::set('SUPERVISOR_PROCESS_NAME', "worker-$number");
        Variables::set('SUPERVISOR_GROUP_NAME', 'worker');
        Variables::set('REQUEST_TIME_FLOAT', microtime(true));
        Variables::set('REQUEST_TIME', time());
        // Whoever has used them before the fork has given all children the same sequence.
        mt_srand(random_int(0, \PHP_INT_MAX));
        \function_exists('gmp_random_seed') && gmp_random_seed(random_int(0, \PHP_INT_MAX));
        '0' === $limit || Input::limit($input, $limit);
        @cli_set_process_title('php '.implode(' ', $_SERVER['argv']));
        $this->learn();
        $this->answerSignal($stop);
        $this->blocked && pcntl_sigprocmask(\SIG_UNBLOCK, $this->blocked);
    }

    /** A PHP that this worker starts is an ordinary one. */
    private static function beNobodysParent(): void
    {
        $directories = str_replace([':'.__DIR__.'/prepend', ':'.__DIR__], '', (string) getenv('PHP_INI_SCAN_DIR'));
        Variables::set('PHP_INI_SCAN_DIR', $directories);
        foreach (['DIRECTORY', 'SOCKET', 'CLASSES', 'FIRST', 'AGAINST', 'KEY'] as $name) {
            Variables::set("EBBTIDE_FORK_$name", null);
        }
    }

    /**
     * What its first message needs, or its first look at an empty queue, the others will need as well.
     *
     * @param array<string, string> $listed classes that they have anyhow
     */
    private function learn(array $listed = []): void
    {
        if (!is_file(self::lessons())) {
            $this->lessons = self::lessons();
            $this->known = Classes::declared() + $listed;
        }
    }

    /**
     * A worker that shuts down, because it has found the stop file, and is asked a moment later, does not die of it.
     *
     * PHP gives up whatever handlers there are at the end, and unblocks their signals: so there must be none, which
     * unblocks it too, and nothing that waits for that.
     */
    private static function endByItself(int $stop): void
    {
        pcntl_signal($stop, \SIG_IGN);
        pcntl_signal($stop, \SIG_DFL);
        pcntl_sigprocmask(\SIG_BLOCK, [$stop]);
    }

    /** Until Messenger has a worker there is no message in flight, and an end by 0 is what it would come to. */
    private function answerSignal(int $stop): void
    {
        $then = pcntl_signal_get_handler($stop);
        pcntl_async_signals(true);
        pcntl_signal($stop, function (int $number, $info) use ($then): void {
            if (!$this->hasStarted) {
                exit(0);
            }
            if (\is_callable($then)) {
                $then($number, $info);
            }
        });
    }

    private static function lessons(): string
    {
        return getenv('EBBTIDE_STATE_DIRECTORY').'/lessons.json';
    }

    /** @return resource */
    private static function connect()
    {
        $connection = stream_socket_client('unix://'.getenv('EBBTIDE_FORK_SOCKET'), $number, $reason, 30);
        if (false === $connection) {
            self::vanish();
        }
        // PID 1 answers when it can; that it has ended is the end of this connection.
        stream_set_timeout($connection, 86400);

        return $connection;
    }

    /** @return never */
    private static function refuse(string $reason): void
    {
        if ($connection = @stream_socket_client('unix://'.getenv('EBBTIDE_FORK_SOCKET'))) {
            fwrite($connection, 'refused '.str_replace("\n", ' ', $reason)."\n");
        }
        exit(self::REFUSED);
    }

    /**
     * Ends without running anything of the application: no destructors, no shutdown functions.
     *
     * @return never
     */
    public static function vanish(): void
    {
        posix_kill(getmypid(), \SIGKILL);
        exit(self::REFUSED);
    }
}

/** The words of the command, which Symfony parses again when the command runs. */
final class Input
{
    public static function limit(object $input, string $seconds): void
    {
        $change = static function (array $words) use ($seconds): array {
            return preg_replace('{^--time-limit=\d+$}D', "--time-limit=$seconds", $words);
        };
        $_SERVER['argv'] = $GLOBALS['argv'] = $change($_SERVER['argv']);
        $tokens = new \ReflectionProperty('Symfony\Component\Console\Input\ArgvInput', 'tokens');
        $tokens->setAccessible(true);
        $tokens->setValue($input, $change($tokens->getValue($input)));
    }
}

if (false !== getenv('EBBTIDE_FORK_FIRST') && '' !== $ebbtidePrepended = Process::prepended()) {
    // As it would boot without us; PID 1 finds that it consumes and has noted nothing.
    require $ebbtidePrepended;

    return;
}
unset($ebbtidePrepended);
// Only where there is a hook to put in front: without one the console's own words stay what they are.
require __DIR__.'/words.php';
new Hook();
