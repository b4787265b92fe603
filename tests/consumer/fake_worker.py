"""A worker of the tests: handles "messages" that are stretches of time, and writes down each start and end.

Stands for any program that finishes its message on the stop signal, or not.
"""

import os
import signal
import sys
import time
from types import SimpleNamespace

# Without argparse: to import that takes as long as to start Python, and some tests start dozens of these.
options = SimpleNamespace(
    ledger="",
    message_seconds=0.2,
    messages=0,  # end by itself after so many; 0: never
    held_by="",  # a message lasts until this file is there
    needs="",  # fail when this file is not there: the broker
    ignore_signal=False,
    default_signal=False,  # no handler: die of it
    exit=0,
    tell=False,  # write what WorkerProgress.php writes
)
words = iter(sys.argv[1:])
for word in words:
    name = word.removeprefix("--").replace("-", "_")
    usual = vars(options)[name]
    vars(options)[name] = True if usual is False else type(usual)(next(words))
stopping = False


def stop(*_):
    global stopping  # noqa: PLW0603
    note("asked")
    stopping = not options.ignore_signal


def note(what):
    # One write of one line: whole even with 70 writers.
    line = f"{what} {os.environ['EBBTIDE_PROCESS_NUMBER']} {os.getpid()} {time.monotonic():.3f}\n"
    ledger = os.open(options.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line.encode())
    os.close(ledger)


def tell(since):
    if options.tell:
        path = f"{os.environ['EBBTIDE_STATE_DIRECTORY']}/workers/{os.environ['EBBTIDE_PROCESS_NUMBER']}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        os.utime(path, (since, since))
        count(path)


def count(path):
    """One line in place, as WorkerProgress.php: first and last field alike, and one field for each bucket."""
    if bounds := [float(bound) for bound in filter(None, os.environ.get("EBBTIDE_DURATION_BOUNDS", "").split(","))]:
        buckets = [0] * (len(bounds) + 1)
        bucket = sum(options.message_seconds > bound for bound in bounds)
        buckets[bucket] = handled
        fields = [handled, handled, 0, 0, handled * options.message_seconds, *buckets, handled]
        counts = os.open(f"{path}.counts", os.O_WRONLY | os.O_CREAT)
        os.write(counts, (" ".join(map(str, fields)).ljust(500) + "\n").encode())
        os.close(counts)


if not options.default_signal:
    signal.signal(signal.SIGTERM, stop)
note("up")
handled = 0
signal.alarm(120)  # should the tests be killed, it does not outlive them for long
while not stopping and (options.messages == 0 or handled < options.messages):
    if options.needs and not os.path.exists(options.needs):  # noqa: PTH110
        print("the broker is away", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    tell(time.time())
    note("started")
    end = time.monotonic() + options.message_seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(left)
    while options.held_by and not os.path.exists(options.held_by):  # noqa: PTH110
        time.sleep(0.01)
    note("finished")
    handled += 1
    tell(1)
# Python gives its handlers up when it ends, and would die of a signal sent again; the image's PHP blocks it then.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.exit(options.exit)
