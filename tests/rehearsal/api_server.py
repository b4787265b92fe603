"""An API server of a few answers on loopback, for what is wrong with clusters."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from ebbtide.rehearsal import access

VERSION = "/version/"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
METRICS = "/apis/metrics.k8s.io/v1beta1"
HEALTHY = {
    VERSION: (200, {"gitVersion": "v1.34.4", "major": "1", "minor": "34"}),
    REVIEW: (201, {"spec": {"resourceAttributes": {}}, "status": {"allowed": True}}),
    METRICS: (200, {"groupVersion": "metrics.k8s.io/v1beta1", "resources": []}),
}
# What the client's model of a version insists on.
HEALTHY[VERSION][1].update(
    dict.fromkeys(("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "-")
)


@contextmanager
def api_server(**answers):
    """Yields the address, and the list of requests that it gets. An answer is for a path, or for a method and a path; a
    status of 0 hangs up."""
    given = {**HEALTHY, **answers}
    # The server is a thread of this process, and whoever asks it gives up only where it never answers.
    patient = mock.patch.object(access, "_ASK_SECONDS", 180)
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            asked.append(f"{self.command} {path}")
            found = given.get(f"{self.command} {path}") or given.get(path)
            status, body = found or (404, {"message": "not found"})
            if not status:
                self.close_connection = True
                return
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as http.server wants it

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with patient:
            yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(address, *contexts, current=None, user=None):
    """The text of a kubeconfig whose contexts all lead to one address."""
    names = contexts or ("kind-test",)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in names],
        "current-context": current or names[0],
    }
    return json.dumps(document)
