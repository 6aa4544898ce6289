"""What Google's client raises, as store errors of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from urllib3.exceptions import HTTPError

from agentarmy_ops.errors import ObjectExistsError, StoreError

# All that a call of the client can raise which is not a bug of ours.
FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    InvalidResponse,
    DataCorruption,
    requests.RequestException,
    HTTPError,
    OSError,
)

DAMAGED = "what arrived has another checksum than the object; try again"
_NO_CREDENTIALS = (
    "there are no Google credentials here; run as a service account, set "
    "GOOGLE_APPLICATION_CREDENTIALS, or run 'gcloud auth application-default login'"
)
_BAD_CREDENTIALS = (
    "Google refused the credentials; renew them, with 'gcloud auth application-default login' if "
    "they are a user's"
)


@contextmanager
def explained(doing: str, url: str) -> Iterator[None]:
    """Raise what fails in the block as a store error: ``cannot {doing} {url}: …``."""
    try:
        yield
    except StoreError:
        raise
    except FAILURES as error:
        # Not "from error": its text has the URL of the upload, with which anyone can write.
        raise StoreError(f"cannot {doing} {url}: {explain(error)}") from None


def exists_already(url: str) -> ObjectExistsError:
    """What to raise about an object that is there, whoever made it."""
    return ObjectExistsError(
        f"{url} exists already and was left as it is; objects are never replaced: use another name"
    )


def bucket_is_missing(error: NotFound) -> bool:
    """Whether it is not the object alone that is not found."""
    return "bucket does not exist" in _server_says(error)


def reason_of(error: GoogleAPICallError) -> str:
    """The machine's word for an error, such as ``retentionPolicyNotMet``; empty when none."""
    details = _answer(error).get("errors") or [{}]
    return str(details[0].get("reason", ""))


def explain(error: BaseException) -> str:
    """The reason of a failed request and what to do about it, in one line."""
    if isinstance(error, RetryError) and error.cause is not None:
        return f"tried again for a while in vain; {explain(error.cause)}"
    if isinstance(error, GoogleAPICallError):
        return _explain_answer(error)
    if isinstance(error, InvalidResponse):
        return f"Cloud Storage answered {error.response.status_code}; try again later"
    if isinstance(error, DataCorruption):
        return DAMAGED
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        missing = isinstance(error, DefaultCredentialsError)
        return _NO_CREDENTIALS if missing else _BAD_CREDENTIALS
    return f"the connection failed ({type(error).__name__}); check the network and try again"


def _explain_answer(error: GoogleAPICallError) -> str:
    said = _server_says(error)
    if isinstance(error, NotFound) and bucket_is_missing(error):
        return "the bucket does not exist; create it, or correct the URL of the store"
    if isinstance(error, Forbidden | Unauthorized):
        return f"access was denied ({said}); grant the role that docs/storage.md names"
    return f"Cloud Storage answered {error.code}: {said}; try again later"


def _server_says(error: GoogleAPICallError) -> str:
    """The server's own words in one line, without the request's URL around them."""
    words = str(_answer(error).get("message", ""))
    return " ".join(words.split()).rstrip(".") or type(error).__name__


def _answer(error: GoogleAPICallError) -> dict[str, Any]:
    """The ``error`` of the answer's JSON. The exception has it only where the client made the
    request by itself, not where it moved bytes."""
    try:
        answer: dict[str, Any] = error.response.json()["error"]
    except (AttributeError, ValueError, LookupError, TypeError):  # a proxy's page, for example
        return {}
    return answer
