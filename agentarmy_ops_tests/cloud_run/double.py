"""The Cloud Run Admin API, as far as its documentation says how jobs behave, for the real client.

https://cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2
"""

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.cloud import run_v2 as api
from google.cloud.run_v2 import (
    ExecutionsClient,
    JobsClient,
)  # a test may put doubles in their place
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.longrunning.operations_pb2 import Operation
from google.protobuf.any_pb2 import Any as AnyMessage

# How long a container has between SIGTERM and SIGKILL.
# https://cloud.google.com/run/docs/container-contract#jobs-shutdown
GRACE_SECONDS = 10
_State: Any = api.Condition.State


@dataclass
class Started:
    """An execution. ``process`` is its one task, where the job is really executed; else a test
    says by ``exit_code`` that it has ended, and how."""

    name: str
    args: list[str]
    timeout_seconds: float
    process: "subprocess.Popen[bytes] | None" = None
    exit_code: int | None = None
    cancelled: bool = False

    def ended(self) -> int | None:
        """The exit code, once there is one."""
        return self.process.poll() if self.process else self.exit_code

    def wait(self, seconds: float = 60) -> int:
        """Wait for the process to end; its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def described(self) -> api.Execution:
        """What the API says of it."""
        code = self.ended()
        cancelled, done = self.cancelled and code is not None, code is not None
        completed = api.Condition(type_="Completed")
        if not done:
            completed.state = _State.CONDITION_RECONCILING
        elif code == 0 and not cancelled:
            completed.state = _State.CONDITION_SUCCEEDED
        else:
            completed.state = _State.CONDITION_FAILED
            completed.message = f"Task {self.name.split('/')[-1]}-task0 exited with {code}."
        return api.Execution(
            name=self.name,
            job=self.name.split("/")[5],
            task_count=1,
            parallelism=1,
            reconciling=not done,
            running_count=int(not done),
            succeeded_count=int(done and code == 0 and not cancelled),
            failed_count=int(done and code != 0 and not cancelled),
            cancelled_count=int(cancelled),
            completion_time=datetime.now(UTC) if done else None,
            conditions=[completed],
        )


@dataclass
class Fault:
    """The next ``left`` calls of a method end with ``code``."""

    method: str
    code: grpc.StatusCode
    left: int
    details: str


class _AnswerError(Exception):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


@dataclass
class CloudRun:
    """The server. ``jobs`` are the full names of the jobs there are; each is executed with
    ``environment`` and nothing else of this process, or, where that is None, not at all.

    What a task prints is in ``logs``, in a file by the execution's name.
    """

    jobs: set[str]
    environment: Mapping[str, str] | None = None
    logs: Path = Path(os.devnull)
    executions: dict[str, Started] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._channels: list[Any] = []
        self._killers: list[threading.Timer] = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers(self._handlers())
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def fail(
        self, method: str, code: grpc.StatusCode, *, times: int = 1, details: str = "injected"
    ) -> None:
        """Let the next calls of a method fail."""
        self.faults.append(Fault(method, code, times, details))

    def jobs_client(self) -> JobsClient:
        """The real client, of this server."""
        return jobs_client_over(self._channel())

    def executions_client(self) -> ExecutionsClient:
        """The real client, of this server."""
        return executions_client_over(self._channel())

    def close(self) -> None:
        """End what runs, and the server."""
        for killer in self._killers:
            killer.cancel()
        for execution in self.executions.values():
            if execution.process and execution.process.poll() is None:
                os.killpg(execution.process.pid, signal.SIGKILL)
                execution.process.wait()
        for channel in self._channels:
            channel.close()
        self._server.stop(1).wait()

    def _channel(self) -> Any:
        self._channels.append(grpc.insecure_channel(self.address))
        return self._channels[-1]

    def _handlers(self) -> list[Any]:
        execution = "google.cloud.run.v2.Executions"
        methods: dict[tuple[str, str], tuple[Callable[[Any], Any], Any, Any, str]] = {
            ("google.cloud.run.v2.Jobs", "RunJob"): (
                self._run,
                api.RunJobRequest,
                Operation.SerializeToString,
                "run.jobs.runWithOverrides",
            ),
            (execution, "GetExecution"): (
                self._get,
                api.GetExecutionRequest,
                api.Execution.serialize,
                "run.executions.get",
            ),
            (execution, "CancelExecution"): (
                self._cancel,
                api.CancelExecutionRequest,
                Operation.SerializeToString,
                "run.executions.cancel",
            ),
        }
        return [
            grpc.method_handlers_generic_handler(
                service,
                {
                    method: grpc.unary_unary_rpc_method_handler(
                        self._answering(method, permission, answer),
                        request_deserializer=request.deserialize,
                        response_serializer=serializer,
                    )
                },
            )
            for (service, method), (answer, request, serializer, permission) in methods.items()
        ]

    def _answering(
        self, method: str, permission: str, answer: Callable[[Any], Any]
    ) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            with self._lock:
                self.calls.append(method)
                if permission in self.denied:
                    context.abort(
                        grpc.StatusCode.PERMISSION_DENIED,
                        f"Permission '{permission}' denied on resource '{request.name}' (or "
                        "resource may not exist).",
                    )
                fault = next((f for f in self.faults if f.method == method and f.left), None)
                if fault:
                    fault.left -= 1
                    context.abort(fault.code, fault.details)
                try:
                    return answer(request)
                except _AnswerError as error:
                    context.abort(error.code, error.details)

        return handle

    def _run(self, request: api.RunJobRequest) -> Operation:
        if request.name not in self.jobs:
            _refuse("NOT_FOUND", f"Resource '{request.name.split('/')[-1]}' was not found")
        (override,) = request.overrides.container_overrides
        name = f"{request.name}/executions/{request.name.split('/')[-1]}-{secrets.token_hex(3)}"
        started = Started(name, list(override.args), request.overrides.timeout.total_seconds())
        if self.environment is not None:
            with (self.logs / name.rpartition("/")[2]).open("wb") as log:
                started.process = subprocess.Popen(
                    started.args,
                    env={**self.environment, **{e.name: e.value for e in override.env}},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
        self.executions[name] = started
        return _operation(started)

    def _get(self, request: api.GetExecutionRequest) -> api.Execution:
        return self._started(request.name).described()

    def _cancel(self, request: api.CancelExecutionRequest) -> Operation:
        started = self._started(request.name)
        if started.ended() is not None:
            _refuse("FAILED_PRECONDITION", "The execution has completed and cannot be cancelled.")
        if not request.validate_only:
            started.cancelled = True
            if started.process:
                started.process.terminate()
                self._killers.append(threading.Timer(GRACE_SECONDS, started.process.kill))
                self._killers[-1].start()
        return _operation(started)

    def _started(self, name: str) -> Started:
        if name not in self.executions:
            _refuse("NOT_FOUND", f"Resource '{name.rpartition('/')[2]}' was not found")
        return self.executions[name]


def jobs_client_over(channel: Any) -> JobsClient:
    """The real client, over a gRPC channel to an address; also in another process."""
    return JobsClient(transport=JobsGrpcTransport(channel=channel))


def executions_client_over(channel: Any) -> ExecutionsClient:
    """The real client, over a gRPC channel to an address; also in another process."""
    return ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel))


def _operation(started: Started) -> Operation:
    metadata = AnyMessage()
    metadata.Pack(api.Execution.pb(started.described()))
    return Operation(name=f"{started.name}/operations/{secrets.token_hex(8)}", metadata=metadata)


def _refuse(code: str, details: str) -> NoReturn:
    raise _AnswerError(grpc.StatusCode[code], details)
