"""Scripts before a worker, with the verdict that `check`, the self-check and the entrypoint must all give.

`worker` works until SIGTERM, needs another moment for its message, and ends. `prepare` and `ready` end at once. Every
case is also run (tests/consumer/test_handover.py): who is accepted finishes the message, who is refused loses it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One script."""

    name: str
    script: str
    words: str = ""
    """What the refusal or the doubt says."""
    shell: str = "sh"
    loses: bool = True
    """Whether a refused script is seen to lose the message: some get away with it on one shell, or before any work."""

    @property
    def arguments(self) -> list[str]:
        """What the script is given, where it looks."""
        return ["worker"] if any(sign in self.script for sign in ('"$@"', '"$1"', "$1 ", '"${1')) else []


ACCEPTED = [
    Case("exec at the end", "exec worker"),
    Case("a block of lines", "cd /\nexec worker --pool=solo\n"),
    Case("exec behind &&", "cd / && exec worker"),
    Case("a guard that gives up", "cd / || exit 65\nexec worker"),
    Case("set -e and a preparation", "set -e\nprepare\nexec worker"),
    Case("a preparation that must succeed", "prepare || exit 1\nexec worker"),
    Case("a test after a preparation", 'prepare; [ -n "$HOME" ] || exit 64; exec worker'),
    Case("exec in both branches", "if [ -d / ]; then exec worker; else exec worker --quiet; fi"),
    Case("one branch gives up", "if [ -d / ]; then exec worker; else exit 1; fi"),
    Case("a case with a default", 'case "$HOME" in nowhere) exit 64 ;; *) exec worker ;; esac'),
    Case("a function that ends in exec", "start() { cd / && exec worker; }\nstart"),
    Case("functions that call each other", 'main() { run "$@"; }\nrun() { exec worker; }\nmain "$@"'),
    Case("waiting for a port", "until [ -d / ]; do sleep 1; done; exec worker"),
    Case("waiting for a command", "until ready; do sleep 1; done; exec worker"),
    Case("waiting, turned round", "while ! ready; do sleep 1; done; exec worker"),
    Case("trying a few times", "n=0; while [ $n -lt 3 ]; do prepare && break; n=$((n+1)); done; exec worker"),
    Case("a bounded loop", "for item in a b; do prepare $item; done; exec worker"),
    Case("exec inside a loop", "while :; do exec worker; done"),
    Case("a heredoc before exec", "cat > /dev/null <<EOF\nworker &\nEOF\nexec worker"),
    Case("variables are printed", "env > /dev/null; printenv HOME; exec worker"),
    Case("redirections first", "exec 2>&1\nexec worker"),
    Case("output of a command as argument", 'exec worker --name="$(hostname)"'),
    Case("arguments of the shell", 'exec "$@"'),
    Case("through env and nice", "exec env A=b nice -n 1 worker"),
    Case("the branch of its role", 'case "$1" in\n  web) worker --web ;;\n  worker) exec "$@" ;;\nesac'),
    Case("a test of its role", 'if [ "${1:-web}" = worker ]; then exec worker; else worker; fi'),
    Case(
        "a function that is told the role",
        'main() { case $1 in "*") prepare ;; w*r) exec worker ;; *) worker; true ;; esac; }\nmain "$@"',
    ),
    Case("a test that bash knows", 'if [ "$1" == web ]; then worker; true; fi; exec worker', shell="bash"),
    Case("a loop until it is ready", "while :; do if ready; then exec worker; fi; sleep 1; done"),
    Case("a function with a loop of its own", "f() { while :; do prepare && return; done; }\nf; exec worker"),
    Case("bash's test of its role", 'if [[ "$1" == web ]]; then worker; true; fi; exec worker', shell="bash"),
    Case("an evaluated text", "eval 'exec worker'"),
    Case("another shell that becomes it", "exec sh -c 'exec worker'"),
    Case("command exec", "command exec worker"),
    Case("a log by process substitution", "exec worker > >(cat > /dev/null)", shell="bash"),
    Case("bash's own tests", "[[ -d / ]] && exec worker", shell="bash"),
    Case("another name for the process", "exec -a mail worker", shell="bash"),
    Case("an alias that bash does not look into", "alias exec=\nexec worker", shell="bash"),
    Case("flock that becomes it", "exec flock -nF /tmp/ebbtide-lock worker"),
    Case("signals as they were", "exec env --default-signal=TERM worker"),
    Case("a trap that exec resets", "trap 'echo bye' TERM\nexec worker"),
]

REFUSED = [
    Case(
        "the branch of its role has no exec",
        'case "$1" in\n  web) exec worker ;;\n  w*) worker; true ;;\nesac',
        "(line 3)",
    ),
    Case("a role of another name", 'if [ "$1" = web ]; then\n  exec worker\nfi\nworker; true', "(line 4)"),
    Case(
        "a function that is told another role",
        'main() { if [ "$1" = worker ]; then exec worker; fi; worker; true; }\nmain web',
        "below the shell",
    ),
    Case("a test that dash does not know", 'if [ "$1" == worker ]; then exec worker; fi\nworker; true', "(line 2)"),
    Case(
        "arguments that an evaluated text moves",
        'eval shift\n[ "$1" = worker ] && exec worker\nworker; true',
        "(line 3)",
    ),
    Case("arguments that command sets", 'command set web\n[ "$1" = worker ] && exec worker\nworker; true', "(line 3)"),
    Case(
        "arguments that are split",
        'f() { case $1 in "worker x") exec worker ;; esac; worker; true; }\nf $@ # "$@"',
        "(line 1)",
    ),
    Case("arguments that are split by a letter", "IFS=o; [ $1 = worker ] && exec worker\nworker; true", "(line 2)"),
    Case(
        "a role in other letters",
        'shopt -s nocasematch\ncase "$1" in WORKER) worker; true ;; *) exec worker ;; esac',
        "(line 2)",
        shell="bash",
    ),
    Case(
        "bash's test in other letters",
        'shopt -s nocasematch\nif [[ "$1" == WORKER ]]; then worker; true; exit; fi\nexec worker',
        "(line 2)",
        shell="bash",
    ),
    Case(
        "a role in bash's own quotes",
        "case \"$1\" in $'w\\x6frker') worker; true ;; *) exec worker ;; esac",
        "(line 1)",
        shell="bash",
    ),
    Case(
        "a role with a backslash",
        'case "\\a${1}" in "\\aworker") worker; true ;; *) exec worker ;; esac # "$1"',
        "(line 1)",
    ),
    Case(
        "a status for a role",
        'case "$#" in $?) ;; esac; case "${3:-0}" in $?) worker; true ;; *) exec worker ;; esac # "$1"',
        "(line 1)",
    ),
    Case(
        "one of two functions of a name",
        "start() { worker; true; }\nif [ -d /nowhere ]; then start() { exec worker; }; fi\nstart",
        "(line 1)",
    ),
    Case("exec before an endless loop", "[ -d /nowhere ] && exec worker\nwhile :; do\n  worker\ndone", "(line 3)"),
    Case(
        "exec before bash's endless loop",
        "[ -d /nowhere ] && exec worker\nfor ((;;)); do worker; done",
        "(line 2)",
        shell="bash",
    ),
    Case(
        "a role that gives up behind the worker",
        '[ -d /nowhere ] && exec worker\nworker\ncase "$1" in worker) exit 1 ;; esac',
        "(line 2)",
    ),
    Case("arguments that are moved", 'shift\ncase "$1" in worker) exec worker ;; esac\nworker; true', "(line 3)"),
    Case(
        "a loop around the worker",
        "cd / || exit 65\nwhile :; do\n  worker --limit=10\ndone",
        "runs worker below the shell (line 3)",
    ),
    Case("exec in one branch only", 'if [ "$HOME" = x ]; then\n  exec prepare\nfi\nworker', "(line 4)"),
    Case("exit behind the worker", 'worker "$@"\nexit $?', "(line 1)"),
    Case("exit of its own number", "worker; exit 1", "below the shell"),
    Case("its failure is hidden", "worker || true", "runs worker below the shell (line 1)"),
    Case("ends by itself on success", "worker && exit 0 || exit 1", "below the shell"),
    Case("in the background", "worker & wait", "runs worker below the shell"),
    Case(
        "a trap that kills and waits once", "trap 'kill -TERM $pid' TERM; worker & pid=$!; wait $pid", "below the shell"
    ),
    Case("a trap before the worker", "trap 'exit 0' TERM\nworker\ntrue", "(line 2)"),
    Case("exec in a comment", "# exec worker\nworker\ntrue", "(line 2)"),
    Case("exec in a text", 'echo "exec worker" > /dev/null; worker; true', "below the shell"),
    Case("exec in a heredoc", "cat > /dev/null <<EOF\nexec worker\nEOF\nworker\ntrue", "(line 4)"),
    Case("a function without exec", "start() {\n  worker\n  true\n}\nstart\ntrue", "(line 2)"),
    Case("a pipe behind exec", "exec worker | cat", "below the shell"),
    Case("a subshell", "(exec worker)\ntrue", "below the shell"),
    Case("exec in the background", "exec worker &\nwait", "below the shell"),
    Case("its output is taken", "text=$(worker); echo $text", "below the shell"),
    Case("a shell that waits for something else", "worker & exec tail -f /dev/null", "in the background (line 1)"),
    Case("a loop that ends in something else", "while :; do worker; done; exec sleep 1", "below the shell"),
    Case("until it fails", "until worker; do sleep 1; done", "below the shell"),
    Case(
        "a case without a default", 'case "$HOME" in nowhere) exec worker ;; esac', "can end without exec", loses=False
    ),
    Case("an if without an else", "if [ -d /nowhere ]; then exec worker; fi", "can end without exec", loses=False),
    Case("exec only where a test fails", "[ -d /nowhere ] || exec worker", "can end without exec", loses=False),
    Case("a single program", "worker", "below the shell", loses=False),
    Case("a missing quote", 'exec "worker', "its syntax is refused at line 1", loses=False),
    Case("Windows line ends", "cd /\r\nexec worker\r\n", "Windows line ends (line 1)", loses=False),
    Case("a byte order mark", "\ufeffexec worker", "byte order mark", loses=False),
    Case("bash's redirection in sh", "exec worker &> /dev/null\nwait", "its syntax is refused at line 1"),
    Case("bash's words in sh", "function f { exec worker; }; f", "its syntax is refused at line 1", loses=False),
    Case("a timeout that kills", "exec timeout -k 1 60 worker", "kills it in the middle", loses=False),
    Case("below flock", "exec flock /tmp/ebbtide-lock worker", "runs the worker under flock"),
    Case("the stop signal is blocked", "exec env --block-signal=INT,TERM worker", "blocks the stop signal"),
    Case("every signal is blocked", "exec env --block-signal worker", "blocks the stop signal"),
    Case("the stop signal is dropped", "exec dumb-init -r 15:0 worker", "takes the stop signal away", loses=False),
    Case("a kill instead", "exec dumb-init --rewrite=15:9 -- worker", "takes the stop signal away", loses=False),
    Case("what a function runs below", "start() ( exec worker )\nstart\ntrue", "below the shell"),
    Case("below setsid", "exec setsid --wait worker", "runs the worker under setsid", loses=False),
    Case("below npm", "exec npm run worker", "runs the worker under npm", loses=False),
    Case("below pm2", "exec pm2-runtime worker.js", "runs the worker under pm2-runtime", loses=False),
    Case("below foreman", "exec foreman start worker", "runs the worker under foreman", loses=False),
    Case("below su", "exec su -c worker nobody", "runs the worker under su", loses=False),
    Case("below another shell", "exec sh -c 'worker; true'", "below the shell"),
    Case("a shell of shells", "exec sh -c 'exec sh -c \"worker; true\"'", "below the shell"),
    Case("a coprocess", "coproc worker; wait", "below the shell", shell="bash"),
    Case("an endless C loop", "for ((;;)); do worker; done", "below the shell", shell="bash"),
    Case("only in a fall-through", "case x in x) worker ;& *) true ;; esac", "below the shell", shell="bash"),
]

DOUBTED = [
    Case("a sourced file", ". ./somewhere.sh; exec worker", "code that is not known here (line 1)"),
    Case("a text known only when it runs", 'eval "$START"; exec worker', "code that is not known here"),
    Case("a limit on the worker", "exec timeout 60 worker", "status 124"),
    Case("a helper in the background", "prepare & exec worker", "in the background (line 1)"),
    Case("a program again and again", "while prepare; do sleep 1; done; exec worker", "again and again"),
    Case("a signal that is ignored", "trap '' TERM\nexec worker", "ignores TERM"),
    Case("no worker at all", "exec sleep 1", "no worker that can be seen"),
    Case("a shell that works itself", "while :; do redis-cli BLPOP jobs 0; done", "no worker that can be seen"),
    Case("a manager with a file of its own", "exec pm2-runtime start worker.config.js", "under pm2-runtime"),
    Case("a reader of a Makefile", "exec make worker", "under make"),
    Case("a supervisor with a file of its own", "exec supervisord -n -c /etc/worker.conf", "under supervisord"),
    Case("a reader of a Procfile", "exec honcho start worker", "under honcho"),
    Case("a reader of a Procfile with time", "exec foreman start -t 60 worker", "under foreman"),
    Case("a program that nobody has tried", "exec secrets-of-acme run -- php worker.php", "under secrets-of-acme"),
    Case("a launcher that nobody has tried", "exec xvfb-run php worker.php", "under xvfb-run"),
    Case("an init that supervises", "exec /init php bin/console messenger:consume mail", "under init"),
    Case("a program that leaves", "exec start-stop-daemon --start --exec /usr/bin/php -- worker.php", "start-stop"),
    Case("an alias", "alias exec=\nexec worker", "code that is not known here (line 1)"),
    Case("aliases in bash", "shopt -s expand_aliases\nalias exec=\nexec worker", "(line 1)", shell="bash"),
    Case("a builtin that is taken away", "enable -n exec\nexec worker", "not known here (line 1)", shell="bash"),
    Case("another program of this name", "hash -p /bin/sh worker\nexec worker", "not known here", shell="bash"),
    Case("another signal", "exec dumb-init -r 15:2 worker", "hands another signal on"),
    Case("signals that are ignored", "exec env --ignore-signal worker", "ignores signals"),
    Case("another signal is blocked", "exec env --block-signal=INT worker", "blocks signals"),
    Case("a limit on its CPU time", "ulimit -t 60\nexec worker", "CPU time (line 1)"),
    Case("the same by a program", "exec prlimit --cpu=60 worker", "CPU time"),
    Case("a program that a variable names", "exec $WORKER", "only a variable names", loses=False),
    Case("a signal ignored by its number", "trap -- '' 15; exec worker", "ignores 15", loses=False),
]
