"""One run of a Pulumi program, in its own process: arguments are the run as JSON and the program's directory."""

from __future__ import annotations

import asyncio
import json
import logging
import runpy
import signal
import sys
import traceback

import grpc
import pulumi
from pulumi.runtime import get_config_env, get_config_secret_keys_env, reset_options, run_in_stack, set_all_config

# Keep in step with language_host.ALREADY_REPORTED, which is not importable without the host's dependencies.
ALREADY_REPORTED = 32


def main() -> int:
    """Run the program. Returns the exit status."""
    # When another resource has failed, the engine ends the program by SIGINT: that is no second error.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    run, directory = json.loads(sys.argv[1]), sys.argv[2]
    sys.argv = [directory]
    set_all_config(get_config_env(), get_config_secret_keys_env())
    reset_options(**run)
    # After a failed registration the rest of the program's futures are never awaited: that is no second error.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(lambda: runpy.run_path(directory, run_name="__main__")))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return ALREADY_REPORTED
    except grpc.RpcError as error:
        # The engine has ended the run, and has said why.
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            pulumi.log.error(f"RPC error: {error.details()}")
        return ALREADY_REPORTED
    except Exception:  # noqa: BLE001 - whatever the program raised is for its author
        pulumi.log.error(f"Program failed with an unhandled exception:\n{traceback.format_exc()}")
        return ALREADY_REPORTED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
