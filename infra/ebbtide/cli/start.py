"""Where the command begins: before its modules are loaded, which takes longer than anything else that it does."""

from __future__ import annotations

import atexit
import gc
import signal


def main() -> None:
    """Run the command line. An interrupt ends it without a traceback: while modules are loaded by the signal itself, as
    a shell expects, since there is nothing to tidy up yet; later with the status that a shell gives to one."""
    handler = signal.getsignal(signal.SIGINT)
    is_heard = handler is signal.default_int_handler  # and not ignored, as behind `nohup`
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What a command imports stays, and the collector would look through it 90 times, 30 of them before the command
    # begins: those take 2 % of `ebbtide check`, and one over 100,000 objects 39 ms. Long commands still collect, later.
    gc.set_threshold(200_000, 50)
    # And at its end, which frees all of it anyway: a sixth of the processor time of `ebbtide check`. Registered first,
    # this comes after what others have to tidy up.
    atexit.register(gc.freeze)
    from ebbtide.cli.main import main as run

    try:
        if is_heard:
            signal.signal(signal.SIGINT, handler)
        run()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
