"""What the rules about an image say of themselves. Read by the image's own checks, and by `ebbtide rules`."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class RuleText(NamedTuple):
    """One rule. The image has no other registry: its checks name these ids."""

    id: str
    level: Literal["error", "warning"]
    title: str
    why: str
    remedy: str
    source: str


_TEXTS = (
    RuleText(
        "I-01",
        "error",
        "PHP can handle signals.",
        "A worker dies of SIGTERM inside its message otherwise.",
        "Install pcntl and take it out of disable_functions: Debian's php-cli has it, Docker's image needs it built.",
        "symfony/messenger adds its signal handlers only where pcntl is loaded.",
    ),
    RuleText(
        "I-02",
        "error",
        "PHP is the command line's.",
        "Another SAPI has other limits and no signals.",
        "Build on a PHP CLI image.",
        "PHP_SAPI.",
    ),
    RuleText(
        "I-03",
        "warning",
        "PHP has opcache.",
        "Each worker's boot costs twice the CPU without it.",
        "Install opcache.",
        "68 ms of CPU for a boot became 38 ms (measured, PHP 8.2).",
    ),
    RuleText(
        "I-04",
        "error",
        "symfony/messenger is not 6.3.5.",
        "That version stops in the middle of a message on SIGTERM.",
        "Update to 6.3.6 or later.",
        "symfony#52077.",
    ),
    RuleText(
        "I-05",
        "error",
        "The stop signal is one that Messenger stops on.",
        "A worker dies of another one inside its message.",
        "Add the signal to framework.messenger.stop_worker_on_signals, or leave the setting out.",
        "symfony/messenger, StopWorkerOnSignalsListener.",
    ),
    RuleText(
        "I-06",
        "error",
        "Nothing calls messenger:stop-workers.",
        "It stops every worker that shares the cache, other pods' too.",
        "Take it out: a pod drains by its preStop hook and by SIGTERM.",
        "35 of 35 workers of another pod stopped (measured).",
    ),
    RuleText(
        "I-07",
        "error",
        "PHP keeps the memory limit that the container was sized by.",
        "The container's limit is computed from a number that PHP does not keep otherwise.",
        "Take memory_limit out of later .ini files.",
        "EBBTIDE_MEMORY_LIMIT_MEBIBYTES and php.ini of the image.",
    ),
    RuleText(
        "I-08",
        "error",
        "Each worker has a Redis consumer name of its own.",
        "A starting worker takes over what another one of its name is handling.",
        "Set the transport's option consumer: '%env(MESSENGER_CONSUMER_NAME)%', and a parameter "
        "env(MESSENGER_CONSUMER_NAME): web for pods that only send; the image sets the variable for workers.",
        "1,234 of 1,500 messages were handled twice with one name (measured).",
    ),
    RuleText(
        "I-09",
        "error",
        "redeliver_timeout is above the longest message.",
        "One that is still being handled is given to a second worker otherwise.",
        "Raise redeliver_timeout to the longest message and half a minute.",
        "symfony/redis-messenger and doctrine-messenger.",
    ),
    RuleText(
        "I-10",
        "warning",
        "A killed worker's message comes back within a minute of the longest message.",
        "Symfony's defaults keep it away for an hour.",
        "Lower redeliver_timeout, and the interval at which an idle worker looks.",
        "0 of 67 killed messages came back in 75 s (measured).",
    ),
    RuleText(
        "I-11",
        "warning",
        "The DSN of a transport is known when the image is built.",
        "Consumer name and redelivery are checked only where the container starts otherwise.",
        "Build with the variable, without a password.",
        "debug:container resolves what the environment of the build has.",
    ),
    RuleText(
        "I-12",
        "warning",
        "An idle worker on PostgreSQL looks for old messages.",
        "With check_delayed_interval 0 a killed worker's message waits for the next new one.",
        "Set check_delayed_interval to 5000.",
        "symfony/doctrine-messenger, PostgreSqlConnection.",
    ),
    RuleText(
        "I-13",
        "error",
        "An AMQP heartbeat is longer than half of the longest message.",
        "The broker closes the connection of a worker that handles a message, and gives the message to another one.",
        "Take heartbeat out, and let the broker find dead nodes by tcp_listen_options.keepalive.",
        "rabbit_heartbeat closes after two to three silent intervals; PHP sends none while it handles a message.",
    ),
    RuleText(
        "I-14",
        "error",
        "PHP and the application's console can be asked.",
        "What cannot be asked is not known to be safe.",
        "Run the command that is named in the image, and mend what it says.",
        "bin/console --version and debug:container.",
    ),
    RuleText(
        "I-15",
        "warning",
        "The transports can be asked where the check runs.",
        "On a read-only root the console cannot write its cache; the image's build has recorded them.",
        "Nothing, where the image's build has checked them.",
        "Symfony compiles its container into the cache directory.",
    ),
    RuleText(
        "I-16",
        "error",
        "The container's variables are complete and fit together.",
        "A later step of the shutdown would come before an earlier one otherwise.",
        "Set what is named; ebbtide's Deployment sets all of them.",
        "The table of variables in docs/draining.md.",
    ),
    RuleText(
        "I-17",
        "error",
        "The worker's command hands its signal on, and is the program that the settings mean.",
        "A shell in between dies of the signal and leaves the worker behind.",
        "List the program and its arguments, or end every path of the script in exec.",
        "The same judgement as V-21 and V-25.",
    ),
    RuleText(
        "I-18",
        "warning",
        "The worker's command can be read to its end.",
        "What cannot be read is not judged.",
        "List the program and its arguments.",
        "The same judgement as V-21a.",
    ),
    RuleText(
        "I-19",
        "warning",
        "Workers may be forked from one that has booted.",
        "Where the boot leaves something that they must not share, each boots by itself, in every way of starting.",
        "Change what is named, or leave it: only memory and the start's CPU are at stake.",
        "docs/forked-workers.md.",
    ),
    RuleText(
        "I-20",
        "error",
        "A message on RabbitMQ survives the death of its worker.",
        "Symfony takes what RabbitMQ redelivers for a failed try: with no retry and no failure transport it is gone.",
        "Name a failure_transport, or allow retries.",
        "8 of 8 killed messages were gone with max_retries 0 (measured); RejectRedeliveredMessageMiddleware.",
    ),
    RuleText(
        "I-21",
        "warning",
        "Killed workers do not use up the retries of a message.",
        "On RabbitMQ each of them does, and after the last one the message is removed.",
        "Name a failure_transport.",
        "RejectRedeliveredMessageMiddleware of symfony/messenger.",
    ),
    RuleText(
        "I-22",
        "warning",
        "No option of a transport removes messages that nobody has handled.",
        "A stream or queue that is cut to a length or an age loses the oldest messages of a long backlog.",
        "Take the option out.",
        "symfony/redis-messenger, stream_max_entries (XADD MAXLEN); RabbitMQ's queue arguments.",
    ),
    RuleText(
        "I-23",
        "error",
        "SQS waits long enough for all messages that a worker fetches at once.",
        "The timeout of each runs while the first is handled; then a second worker has it too.",
        "Set buffer_size to 1, and visibility_timeout above the longest message.",
        "5 of 6 messages were in two hands at once with the default buffer of 9 (measured).",
    ),
    RuleText(
        "I-24",
        "warning",
        "The visibility timeout of an SQS queue is known.",
        "The queue's own may be shorter than what a worker fetches at once takes.",
        "Write visibility_timeout, above the longest message, and buffer_size 1.",
        "AWS: a queue's default is 30 s.",
    ),
    RuleText(
        "I-25",
        "error",
        "An image that is built to fork its workers may do so.",
        "A request that was measured with forked workers is too small for workers that boot by themselves.",
        "Change what is named, or build without EBBTIDE_WORKER_START=fork and measure again.",
        "The kubelet evicts those above their request first; docs/forked-workers.md.",
    ),
    RuleText(
        "I-26",
        "warning",
        "What has failed for the last time is kept, apart from what waits.",
        "A failure transport that keeps nothing, lies in the workers' own queue or is consumed loses it.",
        "Give it a queue of its own on a broker, and leave it to messenger:failed:retry.",
        "SendFailedMessageToFailureTransportListener: what has been sent there once is sent nowhere else.",
    ),
    RuleText(
        "I-27",
        "warning",
        "The kind of a transport is known.",
        "When the broker gives back a killed worker's message, and to whom, is not judged otherwise.",
        "Look it up in the transport's documentation, and kill a busy worker once.",
        "Redis, Doctrine, AMQP and SQS are known; Beanstalkd, Pub/Sub, Kafka and others are not.",
    ),
    RuleText(
        "I-28",
        "warning",
        "Everything that a boot leaves can be looked into, and every extension is known.",
        "With `start: auto` workers are forked where that is proved. With a doubt each boots by itself.",
        "Change what is named, write `start: fork` where you know it to be safe, or leave it: only memory is at stake.",
        "docs/forked-workers.md.",
    ),
)

IMAGE_RULES: Final = {text.id: text for text in _TEXTS}
