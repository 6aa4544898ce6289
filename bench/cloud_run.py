"""The Cloud Run launcher as it is shipped, over a double of Google's API on this machine."""

import os
from typing import Any
from unittest.mock import patch

import grpc
from google.cloud import run_v2

from agentarmy_ops.orchestration.cloud_run import OpsCloudRunLauncher
from agentarmy_ops_tests.cloud_run.double import executions_client_over, jobs_client_over

PROJECT, REGION = "bench", "europe-west1"
JOB = f"projects/{PROJECT}/locations/{REGION}/jobs/agentarmy-run-worker"
ADDRESS = "BENCH_CLOUD_RUN"


class LauncherOverDouble(OpsCloudRunLauncher):
    """Named in the bench's ``dagster.yaml``, for the daemon is a process of its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        channel = grpc.insecure_channel(os.environ[ADDRESS])
        # The real ones look for Google's credentials.
        with (
            patch.object(run_v2, "JobsClient", lambda: jobs_client_over(channel)),
            patch.object(run_v2, "ExecutionsClient", lambda: executions_client_over(channel)),
        ):
            super().__init__(*arguments, **keywords)
