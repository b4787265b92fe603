"""A language host: what the engine asks to run a Python program, or a plugin that is written in Python.

The one that ships with Pulumi's installer is in no package registry. This one does the same for the programs of this
project: it runs the project's own interpreter, in a process of its own, in the directory that `main:` names. It
installs no dependencies: whoever uses it has made the virtual environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# The program has told the engine itself what is wrong with it: nothing is to be added.
ALREADY_REPORTED = 32


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs programs; it installs nothing, and asks for no plugin before the program does."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Any) -> plugin_pb2.PluginInfo:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(  # noqa: N802
        self,
        request: language_pb2.GetRequiredPackagesRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> language_pb2.GetRequiredPackagesResponse:
        return language_pb2.GetRequiredPackagesResponse()

    def InstallDependencies(  # noqa: N802
        self,
        request: language_pb2.InstallDependenciesRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        yield from ()

    def RunPlugin(  # noqa: N802
        self, request: language_pb2.RunPluginRequest, context: Any
    ) -> Iterator[language_pb2.RunPluginResponse]:
        directory = request.info.program_directory
        with subprocess.Popen(
            [_interpreter(request.info), directory, *request.args],
            cwd=request.pwd,
            env={**os.environ, **dict(entry.split("=", 1) for entry in request.env)},
            stdout=subprocess.PIPE,
        ) as plugin:
            # The engine is done with a plugin when it gives up this call.
            context.add_callback(plugin.terminate)
            yield from (language_pb2.RunPluginResponse(stdout=line) for line in plugin.stdout or ())
        yield language_pb2.RunPluginResponse(exitcode=plugin.returncode)

    def Run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:  # noqa: ARG002, N802
        run = {
            "project": request.project,
            "stack": request.stack,
            "monitor_address": request.monitor_address,
            "engine_address": self._engine_address,
            "parallel": request.parallel,
            "preview": request.dryRun,
            "organization": request.organization,
        }
        directory = Path(request.info.program_directory)
        done = subprocess.run(
            [_interpreter(request.info), Path(__file__).with_name("run_program.py"), json.dumps(run), directory],
            cwd=directory,
            env={
                **os.environ,
                "PULUMI_CONFIG": json.dumps(dict(request.config)),
                "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            },
            check=False,
        )
        if done.returncode == ALREADY_REPORTED:
            return language_pb2.RunResponse(bail=True)
        error = f"Program exited with non-zero exit code: {done.returncode}" if done.returncode else ""
        return language_pb2.RunResponse(error=error)


def _interpreter(info: language_pb2.ProgramInfo) -> str:
    """The Python of the virtual environment that Pulumi.yaml names, or the one that runs this."""
    options = info.options.fields
    if "virtualenv" not in options:
        return sys.executable
    python = Path(info.root_directory, options["virtualenv"].string_value, "bin", "python")
    if not python.exists():
        raise FileNotFoundError(f"{python} does not exist; make the virtual environment with scripts/setup")
    return str(python)


def main() -> None:
    """Serve the engine whose address is the last argument, until it ends this process."""
    # The engine ends its plugins by SIGINT, which is no error here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # An engine that refuses the configuration leaves without ending its plugins (seen with 3.250).
    engine = os.getppid()
    while server.wait_for_termination(timeout=1) and os.getppid() == engine:
        pass


if __name__ == "__main__":
    main()
