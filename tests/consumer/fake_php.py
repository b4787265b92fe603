#!/usr/bin/python3 -ES
"""PHP of the tests of forked workers: speaks to PID 1 what consumer/fork/hook.php speaks, and runs the fake worker.

FAKE_PARENT says what is wrong with the parent; FAKE_WORKER is the worker's options. The real one is in tests/runtime.
"""

import json
import os
import runpy
import signal
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
FAULT = os.environ.get("FAKE_PARENT", "")


def note(what):
    with open(f"{HERE}/parent-ledger", "a") as ledger:  # noqa: PTH123
        ledger.write(f"{what} {os.getpid()}\n")


def consume():
    sys.argv = ["fake_worker.py", "--ledger", f"{HERE}/ledger", *os.environ.get("FAKE_WORKER", "").split()]
    runpy.run_path(f"{HERE}/fake_worker.py", run_name="__main__")
    sys.exit(0)


def connect(word):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["EBBTIDE_FORK_SOCKET"])
    connection.sendall(f"{word}\n".encode())
    return connection


def vanish():
    os.kill(os.getpid(), signal.SIGKILL)


def look():
    """What the parent says of its boot, held against the first worker's."""
    if "EBBTIDE_FORK_AGAINST" not in os.environ:
        return ""
    if FAULT == "is killed while comparing" and not os.path.exists(f"{HERE}/compared"):  # noqa: PTH110
        open(f"{HERE}/compared", "w").close()  # noqa: PTH123
        vanish()
    if FAULT == "hangs while comparing":
        time.sleep(300)
    if FAULT == "does not compare":
        return ""
    if FAULT == "tells a list":
        return "[]"
    facts = {"missing": [], "arguments": True, "descriptors": [], "threads": 1, "libraries": [], "generators": []}
    facts |= {"extensions": ["core", "redis"], "unseen": [], "draws": ["1", "2"], "alarmSeconds": 0, "digest": "a"}
    facts |= json.loads(os.environ.get("FAKE_FACTS", "{}"))
    if not os.path.exists(os.environ["EBBTIDE_FORK_AGAINST"]):  # noqa: PTH110
        return json.dumps(facts | ({"digest": "b"} if FAULT == "boots otherwise later" else {}))
    with open(os.environ["EBBTIDE_FORK_AGAINST"]) as file:  # noqa: PTH123
        first = json.load(file)
    note("compared")
    places = [place for place, value in first.items() if os.environ.get(place) != value]
    return json.dumps(facts | {"different": len(places), "differences": places})


def record():
    """The first worker: a copy of it notes what its boot has made."""
    note("first")
    if FAULT == "dies at first" and not os.path.exists(f"{HERE}/died"):  # noqa: PTH110
        open(f"{HERE}/died", "w").close()  # noqa: PTH123
        sys.exit(1)
    if FAULT == "is not seen":
        return
    channel = connect("recording")
    if (between := os.fork()) > 0:
        os.waitpid(between, 0)
        channel.close()
        return
    if os.fork() == 0:
        os.setpgid(0, 0)
        if FAULT == "records slowly":
            time.sleep(2)
        if FAULT == "cannot record":
            with open(os.environ["EBBTIDE_FORK_FIRST"] + ".new", "w") as file:  # noqa: PTH123
                file.write("half of it")
        else:
            with open(os.environ["EBBTIDE_FORK_FIRST"], "w") as file:  # noqa: PTH123
                json.dump({name: os.environ.get(name) for name in os.environ.get("FAKE_KEPT", "").split()}, file)
            channel.sendall(b"recorded\n")
    vanish()


def serve():  # noqa: C901, PLR0912  # one fault, one branch
    note("parent")
    if FAULT == "ends":
        sys.exit(255)
    if FAULT == "hangs while booting":
        time.sleep(300)
    if FAULT == "refuses":
        connect("refused booting has opened socket:[4711]")
        sys.exit(70)
    if FAULT == "is large":
        globals()["memory"] = b"x" * (100 * 1048576)
    channel = connect(("parent " + look()).strip())
    for line in channel.makefile():
        number, limit, token = line.split()
        if FAULT == "hangs":
            time.sleep(300)
        if FAULT == "grows" and not os.path.exists(f"{HERE}/grown"):  # noqa: PTH110
            open(f"{HERE}/grown", "w").close()  # noqa: PTH123
            globals()["memory"] = b"x" * (200 * 1048576)
        if FAULT == "cannot fork":
            channel.sendall(f"failed {token} Resource temporarily unavailable\n".encode())
            continue
        if (between := os.fork()) > 0:
            os.waitpid(between, 0)
            continue
        if os.fork() > 0:
            vanish()
        channel.close()
        os.setpgid(0, 0)
        if FAULT == "is slow":
            note("under-way")
            while not os.path.exists(f"{HERE}/go-on"):  # noqa: PTH110
                time.sleep(0.01)
        if FAULT == "lies":
            token = "of-nobody"
        door = connect(f"worker {token}")
        if door.recv(10) != b"go\n":
            note("turned-away")
            vanish()
        door.close()
        if os.path.exists(f"{os.environ['EBBTIDE_STATE_DIRECTORY']}/stop"):  # noqa: PTH110
            sys.exit(37)
        os.environ["EBBTIDE_PROCESS_NUMBER"] = number
        note(f"limit-{number}={limit}")
        consume()
    vanish()


if sys.argv[1] == "-r":  # the entrypoint asks for pcntl
    sys.exit(0)
if os.environ["PHP_INI_SCAN_DIR"].endswith("/fork"):
    serve()
if os.environ["PHP_INI_SCAN_DIR"].endswith("/fork/prepend"):
    record()
note(f"booted-by-itself-{os.environ['EBBTIDE_PROCESS_NUMBER']}")
consume()
