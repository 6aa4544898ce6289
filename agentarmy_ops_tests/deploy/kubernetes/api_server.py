"""The part of Kubernetes' API server that runs need, in this process, for the real client."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from agentarmy_ops_tests.deploy.kubernetes.schema import problems

Object = dict[str, Any]
_JOBS = re.compile(r"/apis/batch/v1/namespaces/agentarmy/jobs(?:/([^/]+))?(?:/status)?")
_PODS = re.compile(r"/api/v1/namespaces/agentarmy/pods(?:/([^/]+))?")


@dataclass
class ApiServer:
    """``jobs`` and ``pods`` are what there is, by name; a job gets one pod. ``refuse`` is what
    the next attempt to make a job is answered with: a status and why."""

    url: str
    jobs: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    refuse: list[tuple[int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def kubeconfig(self, file: Path) -> Path:
        """A configuration of the client that leads here."""
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": self.url}}],
                    "users": [{"name": "nobody", "user": {}}],
                    "contexts": [{"name": "it", "context": {"cluster": "here", "user": "nobody"}}],
                    "current-context": "it",
                }
            )
        )
        return file

    def answer(self, method: str, path: str, body: Object | None) -> tuple[int, Object]:
        """Status and body of the answer to a request."""
        self.asked.append(f"{method} {path}")
        parts = urlsplit(path)
        if found := _JOBS.fullmatch(parts.path):
            return self._jobs(method, found[1], body)
        if found := _PODS.fullmatch(parts.path):
            (selector,) = parse_qs(parts.query).get("labelSelector", [""])
            return self._pods(method, found[1], selector)
        return _status(404, f"{path} is nothing that is known here")

    def _jobs(self, method: str, name: str | None, body: Object | None) -> tuple[int, Object]:
        if method == "POST" and body is not None:
            return self._make_job(body)
        if name not in self.jobs:
            return _status(404, f"there is no job {name}")
        if method == "DELETE":
            del self.jobs[name]
            return _status(200, "gone")
        return 200, self.jobs[name]

    def _make_job(self, body: Object) -> tuple[int, Object]:
        if self.refuse:
            return _status(*self.refuse.pop(0))
        if wrong := problems(body):
            return _status(422, "; ".join(wrong))
        name = body["metadata"]["name"]
        self.jobs[name] = {**body, "status": {"active": 1}}
        template = body["spec"]["template"]
        labels = {**template["metadata"]["labels"], "job-name": name}
        self.pods[f"{name}-pod"] = {**template, "metadata": {"labels": labels}}
        return 201, self.jobs[name]

    def _pods(self, method: str, name: str | None, selector: str) -> tuple[int, Object]:
        if name is None:
            key, _, value = selector.partition("=")
            items = [
                {**pod, "metadata": {**pod["metadata"], "name": pod_name}}
                for pod_name, pod in self.pods.items()
                if pod["metadata"]["labels"].get(key) == value
            ]
            return 200, {"apiVersion": "v1", "kind": "PodList", "items": items}
        if name not in self.pods:
            return _status(404, f"there is no pod {name}")
        return 200, self.pods.pop(name) if method == "DELETE" else self.pods[name]


@contextmanager
def serving() -> Iterator[ApiServer]:
    """A server with nothing in it, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = api.answer(self.command, self.path, body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - so the base class calls them

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = ApiServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _status(code: int, message: str) -> tuple[int, Object]:
    kind = {"apiVersion": "v1", "kind": "Status"}
    return code, {**kind, "code": code, "message": message}
