"""Rule E-04: variables that change what runs, rather than what it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule

_SHELL = "runs a script, or sets options, before each script of a shell"
_CODE = "puts code or options into every program of"
_JAVA = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
# Where its own modules are an application may say by PYTHONPATH, NODE_PATH, RUBYLIB, PERL5LIB and CLASSPATH: none of
# them is here. PID 1 is Python without any of these (-E).
_PYTHON = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONEXECUTABLE")
_WHY = {
    "PATH": "decides which programs are found, PID 1's own among them",
    "LD_LIBRARY_PATH": "decides which libraries every process loads",
    "GLIBC_TUNABLES": "changes the loader and the memory of every process",
    "GCONV_PATH": "puts code into every process that converts texts",
    "PHPRC": "takes PHP's configuration from elsewhere",
    "PHP_INI_SCAN_DIR": "takes PHP's configuration from elsewhere, and the image's memory_limit away",
    # ENV is of interactive shells only (POSIX, sh), and every shell sets IFS itself.
    **dict.fromkeys(("BASH_ENV", "SHELLOPTS", "BASHOPTS", "ZDOTDIR"), _SHELL),
    **dict.fromkeys(_PYTHON, f"{_CODE} Python"),
    **dict.fromkeys(("NODE_OPTIONS", "BUN_OPTIONS"), f"{_CODE} Node.js"),
    **dict.fromkeys(("RUBYOPT",), f"{_CODE} Ruby"),
    **dict.fromkeys(("PERL5OPT", "PERL5DB"), f"{_CODE} Perl"),
    **dict.fromkeys(_JAVA, f"{_CODE} Java"),
    "DOTNET_STARTUP_HOOKS": f"{_CODE} .NET",
    "OPENSSL_CONF": "loads modules into every program that encrypts",
}
# ld.so(8): all that begin so are the loader's.
_OF_THE_LOADER = "LD_"
# LaunchDarkly's, which begin alike; the loader passes over what it does not know.
_NOT_OF_THE_LOADER = frozenset({"LD_SDK_KEY", "LD_CLIENT_SIDE_ID", "LD_MOBILE_KEY"})
_LOADS = "tells the loader of every process, PID 1's among them, what to load and how"
_ADDS_TO_THE_REST = ":"
# Options of these that say how much memory a program takes, and nothing else.
_HAS_SIZES = frozenset({"NODE_OPTIONS", *_JAVA})
_SIZE = re.compile(
    r"--max-(?:old|semi)-space-size=[0-9]+|-X(?:mx|ms|ss)[0-9]+[kKmMgG]?|-XX:(?:Max|Initial)RAMPercentage=[0-9.]+"
)


def changes_what_runs(name: str, value: str) -> str:
    """What a variable does to the programs of a pod, in words; empty where it is the application's own."""
    if name == "PHP_INI_SCAN_DIR" and value.startswith(_ADDS_TO_THE_REST):
        return ""
    if name in _HAS_SIZES and value.strip() and all(map(_SIZE.fullmatch, value.split())):
        return ""
    is_of_loader = name.startswith(_OF_THE_LOADER) and name not in _NOT_OF_THE_LOADER
    return _WHY.get(name) or (_LOADS if is_of_loader else "")


@consumer_rule(
    "E-04",
    Level.WARNING,
    remedy="Build it into the image, whose self-check then sees it; or accept this with what a drain has shown.",
    source="ld.so(8), bash(1), python(1), node(1), ruby(1), perlrun(1); PHP, scan directories: one that begins with a "
    "colon adds to those that are built in.",
)
def check_variables_change_no_program(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Pods run what the image's self-check has seen. A variable by which a loader, a shell or an interpreter takes
    something else comes after that check: what it does to a drain is not judged."""
    for name in (*consumer.environment, *consumer.secret_environment):
        value = consumer.environment.get(name, "")
        if why := changes_what_runs(name, value):
            yield Finding(
                ("environment" if name in consumer.environment else "secretEnvironment", name),
                f"{why}: what it does to a drain is not judged",
                "build it into the image",
            )
