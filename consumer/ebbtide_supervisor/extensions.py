"""Which of PHP's extensions live through a fork: a table, with the reason of each.

A fork copies memory. What it does not copy are threads; what it shares are descriptors. So an extension lives through
it where, between its start and the first use, it has neither a thread nor a connection nor anything by which another
process knows this one; and where what it has used by then can be seen: an open descriptor, a thread, an object in the
state that two boots are compared by. An extension that stands nowhere here is not known, and so nothing is proved:
imagick (ImageMagick may keep OpenMP's threads), mongodb, opentelemetry, and uuid, whose libuuid keeps the sequence by
which two processes tell their time-based ids apart, in a static variable that nobody sees (get_clock of gen_uuid.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Names as get_loaded_extensions() says them, in lower case.
KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "PHP itself, and what only computes: all that it holds are values of PHP, which are compared": (
        *("core", "date", "hash", "json", "pcre", "reflection", "spl", "standard", "random", "tokenizer", "ctype"),
        *("filter", "mbstring", "iconv", "intl", "calendar", "bcmath", "bz2", "zlib", "zip", "gettext", "fileinfo"),
        *("exif", "gd", "libxml", "xml", "simplexml", "dom", "xmlreader", "xmlwriter", "xsl", "tidy", "pspell"),
        *("igbinary", "msgpack", "yaml", "ds", "ast", "protobuf", "mailparse", "zstd", "lz4", "brotli", "snappy"),
        *("lzf", "decimal", "lexbor", "uri"),
    ),
    "keeps a generator in memory of its own, which each worker seeds anew after the fork": ("gmp",),
    "draws from the kernel, or looks itself whether it is in a child": ("sodium", "openssl"),
    "connects when it is asked to: a connection that is there already is an open descriptor": (
        *("pdo", "pdo_mysql", "pdo_pgsql", "pdo_sqlite", "pgsql", "mysqli", "mysqlnd", "sqlite3", "redis", "amqp"),
        *("curl", "ftp", "ldap", "soap", "sockets", "memcached", "memcache", "session", "phar", "dba", "inotify"),
    ),
    "what it works with is named outside of the process, and shared in both ways of starting": (
        *("shmop", "sysvmsg", "sysvsem", "sysvshm"),
    ),
    "is about this process, and asked for it anew each time": ("pcntl", "posix", "readline"),
    "has its memory from the parent, with locks that the kernel gives back when their owner is killed": (
        "zend opcache",
    ),
    "what it has made is an object, and what it has loaded a library: both are seen": ("ffi",),
}

# Threads, connections, locks or profilers that no child has, or that all would share.
BAD: Final = {
    "apcu": "what one worker stores all would have, and one that is killed inside it keeps its lock for ever "
    "(apcu issue 632); write apc.enable_cli=0",
    "grpc": "its threads and channels do not live in a child",
    "rdkafka": "its threads do not live in a child",
    "couchbase": "its threads do not live in a child",
    "swoole": "its reactor and its threads do not live in a child",
    "openswoole": "its reactor and its threads do not live in a child",
    "ddtrace": "its sender is a thread that no child has",
    "datadog-profiling": "its profiler is a thread that no child has",
    "newrelic": "its agent follows one process",
    "elastic_apm": "its sender is a thread that no child has",
    "blackfire": "its probe follows one process",
    "tideways": "its profiler follows one process",
    "parallel": "its threads do not live in a child",
    "xdebug": "its connection would be everybody's",
}

_LIVE: Final = frozenset(name for names in KNOWN.values() for name in names)


def bad(extensions: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that no child has as it needs them, and why."""
    return ((name, BAD[name]) for name in sorted(set(extensions) & BAD.keys()))


def unknown(extensions: Iterable[str]) -> list[str]:
    """Those of which nobody knows here."""
    return sorted(set(extensions) - _LIVE - BAD.keys())
