"""What is a secret, and must be neither in settings nor in anything that is printed. One place for every reader.

Three ways to know one: by its own form (gitleaks' rules, read as data), by the password of an address (as Symfony
parses it), and by the name that it is given (secret_names.py). What none of them knows is not found: a password alone
looks like any word.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ebbtide.judgement.secret_names import is_credential_name, may_be_random

MASK = "[secret]"
NOT_SHOWN = "[not shown]"

# Expressions are compiled when a text first needs them: all at once would cost each start of `ebbtide check` 40 ms.

# --- Values that are none -----------------------------------------------------------------------------------------

# `$(NAME)` is Kubernetes', the others the application's and the shell's: the value is put there later.
_EXPANSION = (
    r"\$\([^()]*\)|`[^`]*`|\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*|%env\([^)]*\)%|%[A-Za-z_][\w.]*%|\{\{[^}]*\}\}"
    r"|<[^<>\s]+>|\[[a-z ]+\]|\*{2,}|[xX]{3,}|\.{3}"
)
_MAY_EXPAND = frozenset("$%{<[*xX.`")
_SETTINGS_WORDS = """
none null nil auto default disabled enabled disable enable off on yes no true false optional required always never
bcrypt argon2 argon2i argon2id sodium scrypt pbkdf2 plaintext plain md5 sha1 sha256 sha384 sha512 hs256 hs384 hs512
rs256 rs384 rs512 es256 es384 es512 eddsa ed25519 bearer jwt basic digest oauth oauth2 oidc saml header query cookie
session file env environment redis database memory vault kubernetes native iam workload-identity managed-identity
metadata ldap lexik sanctum passport x-auth-token authorization x-api-key access_token id_token refresh_token
"""
_HARMLESS_WORDS = frozenset(_SETTINGS_WORDS.split())
_HARMLESS = (
    r"[-+]?[0-9]+(?:[._][0-9]+)*\s*(?:%|[a-zA-Z]{1,3})?"  # a number, with or without its unit
    r"|(?:P(?:[0-9]+[YMWD])*(?:T(?:[0-9]+[HMS])+)?)"
    r"|\.{0,2}/[\w./@:-]*"  # a file
    r"|[a-z0-9_.-]+(?:/[a-z0-9_.{}-]+)+(?:#\w+)?"  # a path, a reference: secret/data/mail
    r"|projects/[\w./-]+"
    r"|[\w-]+\.(?:pem|key|crt|json|ya?ml|txt|p12|jks|env|conf)"
    r"|arn:aws[\w-]*:(?:secretsmanager|ssm|kms|iam):[\w:/.+=@,-]+"
    r"|(?:vault|op|ssm|sm|gcp-sm|gsm|awssm|file|env|ref\+\w+|secret|akv|bws|doppler|infisical|kms):[\w./#:@${}-]+"
    r"|https?://[^\s@?]+"
)


def _without_expansions(value: str) -> str:
    return _compiled(_EXPANSION).sub("", value) if _MAY_EXPAND & set(value) else value


def _is_harmless(value: str) -> bool:
    """Whether a value is none although its name says so: a number, a file, a reference, a word of a setting."""
    left = _without_expansions(value).strip("\"' \t\n,;")
    return not left or left.lower() in _HARMLESS_WORDS or _compiled(_HARMLESS).fullmatch(left) is not None


def _is_random(value: str) -> bool:
    """Text as a generator makes it: long, and of more kinds of signs than words and paths have."""
    text = value.removeprefix("base64:").strip()
    if len(text) < 16 or not re.fullmatch(r"[A-Za-z0-9+/=_.!@#$%^&*~-]+", text) or _is_harmless(text):
        return False
    kinds = sum(re.search(kind, text) is not None for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    is_hex = re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", text) is not None
    return is_hex or (kinds == 3 and _entropy(text) > 3.5)


def _entropy(text: str) -> float:
    """Shannon's, in bits a sign, as gitleaks takes it."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


# --- Text -----------------------------------------------------------------------------------------------------------


class Span(NamedTuple):
    """A part of a text that must not be shown."""

    start: int
    end: int


# Symfony's Redis transport takes all before the first `@` for a password, a slash too (Connection::parseDsn). Others
# are read by PHP's parse_url, which wants both before any slash; one in a password is meant as one nevertheless.
_REDIS_DSN = r"(?i)\b(?:rediss?|valkeys?):(?://)?(?P<user>[^:@\s]*:)?(?P<secret>[^@\s]+)@"
_DSN = r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^/\s:@]*):(?P<secret>(?![0-9]{1,5}[/?#,])[^@\s]+)@"
# `smtp://KEY@default`: Symfony's bridges of mailer and notifier have only their key before the word `default`.
_REDIS_OPTION = r"(?i)\b(?:rediss?|valkeys?):\S*[?&]auth=(?P<secret>[^&\s]+)"
_KEY_DSN = r"\b[a-z][a-z0-9+.-]*://(?P<secret>[^/\s:@]+)@default\b"
_USER_DSN = r"\b[a-z][a-z0-9+.-]*://(?P<secret>[A-Za-z0-9_-]{20,})@(?![\w.-]*sentry\.io)"
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]*-----|\Z)|PuTTY-User-Key-File-[0-9][\s\S]*"
)
_HEADER = r"\b(?:Basic|Bearer|Token|ApiKey)\s+(?P<secret>[A-Za-z0-9+/=_.~-]{8,})"
# What `redact` has hidden is one word, and none.
_HIDDEN = re.escape(NOT_SHOWN) + r"(?![^\s\"'&;,|)}\]])"
# `password=...`, `--password=...`, `"password": "..."`, `?password=...`, `password: ...`
_ASSIGNMENT = (
    r"(?<![A-Za-z_])(?P<name>[A-Za-z_][\w.-]*+)[\"']?(?P<sign>\s*=>\s*|\s*:=\s*|=|:\s*)"
    rf"(?=(?P<secret>{_HIDDEN}|\"[^\"]*\"|'[^']*'|[^\s\"'&;,|)}}\]]+))"
)
# How a stack file names a key of a Secret, and what every remedy says to write.
_REFERENCE = r"(?:[A-Za-z_]\w*: (?:\{(?!secret))?)*\{secret: [a-z0-9](?:[a-z0-9.-]*[a-z0-9])?, key: [\w.-]+\}"
_OPTION = (
    r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]*)\s+"
    rf"(?P<secret>{_HIDDEN}|\"[^\"]*\"|'[^']*'|[^\s\"'&;,|-][^\s\"'&;,|]*)"
)
# Options of a letter, by their program.
_SHORT_OPTION = (
    r"\b(?:redis-cli|valkey-cli)\b[^|;&\n]*?\s-a\s+(?P<a>[^\s\"']+)"
    r"|\bmysql\w*\b[^|;&\n]*?\s-p(?P<b>[^\s\"']+)"
    r"|\bsshpass\s+-p\s*(?P<c>[^\s\"']+)"
    r"|\b(?:docker|podman|nerdctl|helm|az|oc)\b(?>[^|;&\n]*?\slogin\b)[^|;&\n]*?\s-p[\s=]*(?P<e>[^\s\"']+)"
    r"|\b(?:mongo\w*|rabbitmqadmin|cypher-shell)\b[^|;&\n]*?\s-p[\s=]*(?P<f>[^\s\"']+)"
    r"|\b(?:zip|unzip|sqlcmd|bcp)\b[^|;&\n]*?\s-P\s*(?P<g>[^\s\"']+)"
    r"|\b7z\w*\b[^|;&\n]*?\s-p(?P<h>[^\s\"']+)"
    r"|\bldap\w+\b[^|;&\n]*?\s-w\s*(?P<i>[^\s\"']+)"
    r"|\b(?:curl|wget|http)\b[^|;&\n]*?\s(?:-u|--user)[\s=]+[\"']?[^\s:\"']*:(?P<d>[^\s\"']+)"
)
# Of any program, where the value is no word, port, path or address: `restic -pHunter2!`.
_ODD_OPTION = r"(?<![\w-])-[pP]\s*(?P<secret>(?=[^\s\"']*[!#$^&~?])[A-Za-z0-9!#$^&~?_.+@%-]{8,})(?=[\s\"']|$)"
# Mailgun's: gitleaks asks for its name beside it, and nothing else is written so.
_MAIL_KEY = r"\bkey-[0-9a-f]{32}\b"
_HOOK = r"https://(?:[\w.-]+\.)?(?:discord(?:app)?\.com/api/webhooks/\d+|hooks\.slack\.com/\w+)/(?P<secret>[\w/-]+)"


# Both remember: consumers share most of their texts.
@lru_cache(maxsize=4096)
def secret_spans(text: str) -> tuple[Span, ...]:
    """Every part of a text that is a secret, merged and in order."""
    if len(text) < 4:
        return ()
    return _merged(sorted({*_dsn_spans(text), *_form_spans(text), *_assigned_spans(text)}))


@lru_cache(maxsize=4096)
def holds_secret(text: str, name: str = "") -> bool:
    """Whether a value, under the name that it has, is a secret or holds one."""
    if name and not _is_harmless(text):
        if is_credential_name(name) or (may_be_random(name) and _is_random(_without_expansions(text))):
            return True
        if _known_by_form(f"{name}={text}"):
            return True
    return bool(secret_spans(text))


def is_like_password(text: str) -> bool:
    """Whether a text that should be a name is more likely a password: eight signs and more, of three kinds and odd."""
    return bool(secret_spans(text)) or any(map(_is_odd, text.split()))


def _is_odd(word: str) -> bool:
    kinds = sum(re.search(kind, word) is not None for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(word) >= 8 and kinds >= 2 and re.search(r"[!#$%^&*+=@~?]", word) is not None


def redact(text: str) -> str:
    """The text without its secrets."""
    for start, end in reversed(secret_spans(text)):
        text = text[:start] + NOT_SHOWN + text[end:]
    return text


def mask_value(value: Any, names: Sequence[str] = ()) -> Any:
    """A value out of a plan or a manifest with every secret as `[secret]`. `names` leads to it.

    What stands below a name of a credential is one, however deep; numbers and switches are none.
    """
    if isinstance(value, Mapping):
        owner = value.get("name")
        own = {"value": owner} if isinstance(owner, str) else {}  # a variable: its name says what its value is
        return {key: mask_value(entry, (*names, own.get(key, str(key)))) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_value(entry, names) for entry in value]
    if not isinstance(value, str) or value == MASK:
        return value
    name = names[-2] if len(names) > 1 and names[-1] == "value" else (names[-1] if names else "")
    if is_credential_name(name) or any(above.lower() in _WHOLE for above in names[:-1]):
        return value if _is_harmless(value) else MASK
    if secret_spans(value):
        return _hidden(value)
    return MASK if holds_secret(value, name) else value


def _hidden(text: str) -> str:
    for start, end in reversed(secret_spans(text)):
        text = text[:start] + MASK + text[end:]
    return text


# Below these everything is a secret, whatever its own name: a Secret's keys, a kubeconfig in parts.
_WHOLE = frozenset({"kubeconfig", "credentials", "stringdata"})


def secret_words(words: Sequence[str]) -> Iterator[int]:
    """Which words of a command are a secret, or hold one: also the word after `--password`."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        option = re.fullmatch(r"--?([A-Za-z][\w-]*)", before)
        is_value = option is not None and is_credential_name(option[1]) and not word.startswith("-")
        if (is_value and not _is_harmless(word)) or holds_secret(_without_expansions(word)):
            yield at
    line = " ".join(words)
    for found in (*_compiled(_SHORT_OPTION).finditer(line), *_odd_options(line)):
        group = next(name for name, text in found.groupdict().items() if text)
        if not _is_harmless(found[group]):
            yield line.count(" ", 0, found.start(group))


def _odd_options(text: str) -> Iterator[re.Match[str]]:
    """`-p` of a program that nobody here knows, with what looks like a password and like nothing else."""
    return (found for found in _compiled(_ODD_OPTION).finditer(text) if _is_odd(_without_expansions(found["secret"])))


def _dsn_spans(text: str) -> Iterator[Span]:
    if "@" not in text and "auth=" not in text:
        return
    for pattern in (_REDIS_OPTION, _REDIS_DSN, _DSN, _KEY_DSN, _USER_DSN):
        for found in _compiled(pattern).finditer(text):
            if _without_expansions(found["secret"]).strip("*\"'"):
                yield Span(*found.span("secret"))


def _assigned_spans(text: str) -> Iterator[Span]:
    if "=" in text or ":" in text:
        references = [found.span() for found in _compiled(_REFERENCE).finditer(text)] if "{secret: " in text else []
        for found in _compiled(_ASSIGNMENT).finditer(text):
            is_named = any(start <= found.start() < end for start, end in references)
            if not is_named and _is_assigned_secret(found):
                yield Span(*found.span("secret"))
    if "-" in text and " " in text:
        for found in _compiled(_OPTION).finditer(text):
            if is_credential_name(found["name"]) and not _is_harmless(found["secret"]):
                yield Span(*found.span("secret"))
        for found in (*_compiled(_SHORT_OPTION).finditer(text), *_odd_options(text)):
            group = next(name for name, value in found.groupdict().items() if value)
            if not _is_harmless(found[group]):
                yield Span(*found.span(group))


def _is_assigned_secret(found: re.Match[str]) -> bool:
    secret = found["secret"]
    if secret.startswith("//") or not is_credential_name(found["name"]) or _is_harmless(secret):
        return False
    # `token: it is read ...` is a sentence.
    is_sentence = found["sign"].startswith(":") and re.fullmatch(r"[A-Z]?[a-z]+[.,]?", secret) is not None
    return not is_sentence


def _form_spans(text: str) -> Iterator[Span]:
    for pattern, sign in (
        (_PRIVATE_KEY, "-Key-File" if "PuTTY" in text else "-----BEGIN"),
        (_HEADER, " "),
        (_HOOK, "https://"),
        (_MAIL_KEY, "key-"),
    ):
        if sign not in text:
            continue
        for found in _compiled(pattern).finditer(text):
            group = "secret" if "secret" in found.groupdict() else 0
            if _without_expansions(found[group]):
                yield Span(*found.span(group))
    yield from _known_by_form(text)


def _known_by_form(text: str) -> list[Span]:
    """What gitleaks' rules find. A rule is looked at where one of its words occurs, and compiled then."""
    low, rules = text.lower(), _rules()
    spans = []
    for pattern, entropy in dict.fromkeys(rule for word in rules if word in low for rule in rules[word]):
        for found in _compiled(pattern).finditer(text):
            group = next((at for at, part in enumerate(found.groups(), 1) if part), 0)
            if _entropy(found[group] or " ") >= entropy:
                spans.append(Span(*found.span(group)))
    return spans


@cache
def _rules() -> dict[str, list[tuple[str, float]]]:
    """Expressions and the least entropy of what they find, by the words that must occur."""
    text = Path(__file__).with_name("secret_rules.json").read_text(encoding="utf-8")
    rules: dict[str, list[tuple[str, float]]] = {}
    for rule in json.loads(text)["rules"]:
        for word in rule["keywords"]:
            rules.setdefault(word.lower(), []).append((rule["pattern"], rule["entropy"]))
    return rules


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for span in spans:
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)
