"""Calls of Google Secret Manager: tried again where that may help, errors in one line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError

from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError

T = TypeVar("T")

_CREDENTIALS = (
    "run on Google Cloud with a service account, set GOOGLE_APPLICATION_CREDENTIALS, or run "
    "gcloud auth application-default login"
)
_TRANSIENT = if_exception_type(
    exceptions.ServiceUnavailable, exceptions.DeadlineExceeded, exceptions.ResourceExhausted
)


class RefusedError(SecretError):
    """Secret Manager answers ``FAILED_PRECONDITION``: the state of the thing does not allow it."""


@dataclass(frozen=True)
class Action:
    """What is asked of Secret Manager, and who may: the permission, and the least of the
    predefined roles that has it.

    https://cloud.google.com/secret-manager/docs/access-control
    """

    doing: str
    permission: str
    role: str


ACCESS = Action("read", "secretmanager.versions.access", "roles/secretmanager.secretAccessor")
VERSIONS = Action("list versions of", "secretmanager.versions.list", "roles/secretmanager.viewer")
STATE = Action("look at", "secretmanager.versions.get", "roles/secretmanager.viewer")
ADD = Action("write", "secretmanager.versions.add", "roles/secretmanager.secretVersionAdder")
DESTROY = Action(
    "destroy a version of",
    "secretmanager.versions.destroy",
    "roles/secretmanager.secretVersionManager",
)
CREATE = Action("create", "secretmanager.secrets.create", "roles/secretmanager.admin")
LIST = Action("list", "secretmanager.secrets.list", "roles/secretmanager.viewer")
DELETE = Action("delete", "secretmanager.secrets.delete", "roles/secretmanager.admin")


@dataclass(frozen=True)
class Attempts:
    """For how many seconds a call is tried again, with waits that grow and vary by chance, and
    how many an attempt may take."""

    seconds: float = 60
    attempt_seconds: float = 15
    first_wait_seconds: float = 0.2

    def retry(self, on_error: Callable[[Exception], object] | None = None) -> Retry:
        """The library's retry for these attempts; tells ``on_error`` of each that is repeated."""
        return Retry(
            predicate=_TRANSIENT,
            initial=self.first_wait_seconds,
            maximum=5,
            timeout=self.seconds,
            on_error=on_error,
        )


def call(action: Action, what: str, project: str, method: Callable[[], T]) -> T:
    """What ``method`` returns.

    Raises:
        SecretNotFoundError, SecretExistsError, RefusedError: Secret Manager says so.
        SecretError: it cannot be done otherwise. No error has one of Google's as its context,
            for that leads to the frames that sent the value.
    """
    problem: SecretError
    try:
        return method()
    except exceptions.RetryError as error:
        problem = _explain(action, what, project, error.cause or error)
    except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
        problem = _explain(action, what, project, error)
    raise problem


def _explain(action: Action, what: str, project: str, error: Exception) -> SecretError:
    place = f"sm://{project}"
    failed = f"cannot {action.doing} {what} in {place}"
    match error:
        case exceptions.NotFound() if action in (CREATE, LIST):
            why = f"there is no project {project}; correct the sm:// URL"
        case exceptions.NotFound():
            return SecretNotFoundError(f"there is no {what} in {place}")
        case exceptions.AlreadyExists():
            return SecretExistsError(f"{what} is in {place} already; nothing was stored")
        case exceptions.FailedPrecondition():
            return RefusedError(f"{failed}: {_reason(action, error)}")
        case exceptions.PermissionDenied(reason="SERVICE_DISABLED"):
            why = (
                "the project has no Secret Manager; run gcloud services enable "
                f"secretmanager.googleapis.com --project {project}"
            )
        case exceptions.PermissionDenied():
            why = (
                f"{action.permission} is denied; check that {project} is the right project, and "
                f"grant that permission ({action.role} has it) to whoever runs this"
            )
        case exceptions.Unauthenticated() | GoogleAuthError():
            why = f"no usable Google credentials; {_CREDENTIALS}"
        case _:
            why = f"{_reason(action, error)}; try again later"
    return SecretError(f"{failed}: {why}")


def _reason(action: Action, error: Exception) -> str:
    """The status, and what Google says to it: but not to what carried the value."""
    code = getattr(error, "grpc_status_code", None)
    status = code.name if code else type(error).__name__
    lines = str(getattr(error, "message", "")).splitlines()
    return status if action is ADD or not lines else f"{status}: {lines[0]}"
