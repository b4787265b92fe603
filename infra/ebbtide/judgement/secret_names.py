"""Whether something is a secret, by the name that it is given."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {
        *("passwort", "passcode", "pass", "pw", "pwd", "secrets", "tokens", "credential", "credentials", "creds"),
        *("authkey", "kubeconfig", "bearer", "authorization", "secretkey", "privatekey", "pat", "jwt", "webhook"),
        *("mnemonic", "storepass", "keypass"),
    }
)
# By themselves, and at the end of another: `PGPASSWORD`
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey")
# Words before `key` that make it one.
_KEY_OF = frozenset(
    {
        *(
            "api",
            "access",
            "private",
            "secret",
            "auth",
            "encryption",
            "encrypt",
            "signing",
            "sign",
            "master",
            "account",
        ),
        *("app", "application", "license", "licence", "ssh", "rsa", "hmac", "shared", "service", "server", "client"),
        *("deploy", "webhook", "session", "storage", "recovery", "decryption", "crypt", "cipher", "root", "admin"),
    }
)
# What follows says that it is about one: its file, its length, its lifetime.
_ABOUT = frozenset(
    {
        *("url", "uri", "endpoint", "host", "server", "file", "files", "filename", "path", "dir", "directory"),
        *("folder", "name", "names", "id", "ids", "ttl", "length", "len", "size", "limit", "limits", "lifetime"),
        *("expiry", "expires", "expire", "expiration", "age", "timeout", "count", "type", "types", "kind"),
        *("algorithm", "algo", "alg", "header", "field", "prefix", "suffix", "enabled", "disabled", "enable"),
        *("required", "policy", "format", "version", "versions", "rotation", "interval", "provider", "providers"),
        *("store", "manager", "backend", "class", "role", "roles", "scope", "scopes", "issuer", "audience"),
        *("bucket", "table", "column", "param", "parameter", "env", "var", "ref", "reference", "mode", "strategy"),
        *("driver", "encoder", "hasher", "strength", "rules", "regex", "pattern", "validator", "cost", "rounds"),
        *("iterations", "cache", "region", "arn", "rate", "seconds", "minutes", "hours", "days", "ms", "used"),
        *("budget", "window", "source", "location", "mount", "namespace", "project", "reset", "validation"),
        *("check", "checks", "claim", "encoding", "service", "resolver", "handler", "rotated", "reload", "reviews"),
        *("review", "usage", "per", "queue", "topic", "channel", "exchange", "stream", "group", "operator", "sync"),
        *("csi", "add", "account", "accounts", "user", "username", "domain", "port", "request", "requests"),
        *("context", "attempts"),
    }
)
# A key that is shown to everybody, or no key of a lock.
_PUBLIC = frozenset({"public", "pub", "publishable"})
_NOT_OF = _PUBLIC | frozenset({"checksum", "sha", "hash", "digest", "fingerprint", "max", "min"})
_RANDOM_NAMES = frozenset(
    {"key", "keys", "salt", "pepper", "seed", "sig", "signature", "nonce", "auth", "cookie", "dsn"}
)


@lru_cache(maxsize=4096)
def is_credential_name(name: str) -> bool:
    """Whether what has this name is a secret, as far as a name can tell: `DB_PASS`, `apiKey`, `client-secret`."""
    words = _words(name)
    if _NOT_OF & set(words):
        return False
    for at, word in enumerate(words):
        is_key = word in ("key", "keys") and at > 0 and words[at - 1] in _KEY_OF
        if not (is_key or word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS)):
            continue
        rest = words[at + 1 :]
        if word == "pwd" and len(words) == 1:
            continue  # the working directory
        if not _ABOUT & set(rest) and not (rest and rest[-1] in ("key", "keys") and word == "webhook"):
            return True
    return False


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def may_be_random(name: str) -> bool:
    """Whether what has this name may be a secret, if its value is one that a generator makes: a `salt`, a `DSN`."""
    words = _words(name)
    return bool(words) and words[-1] in _RANDOM_NAMES and not _PUBLIC & set(words)
