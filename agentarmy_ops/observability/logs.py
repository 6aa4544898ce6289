"""How log lines look: JSON for machines, one short line for people."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from agentarmy_ops.observability.context import current_tenant, current_user_id
from agentarmy_ops.observability.request_id import current_request_id
from agentarmy_ops.observability.secret_text import LONGEST_TEXT, SecretText
from agentarmy_ops.settings import Environment

# A record's own fields for the JSON line: logger.info(..., extra={FIELDS: {...}}).
FIELDS = "agentarmy_fields"

_without_secrets = SecretText()


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the names that Google Cloud's logging agents know
    (https://cloud.google.com/logging/docs/structured-logging): ``time``, ``severity``,
    ``message``; and ``logger``, ``request_id``, ``tenant_id``, ``tenant``, ``user_id`` and
    ``exception`` where there is one. What looks like a secret is taken out, but of records with
    :data:`FIELDS`, whose writer knows what is in them."""

    def format(self, record: logging.LogRecord) -> str:
        """``record`` as JSON, in ASCII, so that no character of a message can break the line."""
        tenant = current_tenant()
        fields: dict[str, Any] = getattr(record, FIELDS, {})
        message = record.getMessage()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "message": message if fields else _without_secrets(message),
            "logger": record.name,
            "request_id": current_request_id(),
            "tenant_id": str(tenant.tenant_id) if tenant else None,
            "tenant": tenant.slug if tenant else None,
            "user_id": current_user_id(),
        }
        line.update({name: value for name, value in fields.items() if value is not None})
        if record.exc_info:
            line["exception"] = _traceback(self.formatException(record.exc_info))
        return json.dumps(
            {name: value for name, value in line.items() if value is not None}, default=str
        )


class HumanFormatter(logging.Formatter):
    """``21:15:03 INFO agentarmy_ops.access: GET /agents/7 200 ...``.

    A message stays on its line. Secrets are taken out as by :class:`JsonFormatter`.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """``record`` as a line, with characters that would break it written as escapes; below it
        the traceback, if there is one."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        line = self.formatMessage(record)
        if not hasattr(record, FIELDS):
            line = _without_secrets(line)
        line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)
        # Not record.exc_text, in which another handler may have left the secrets.
        if record.exc_info:
            line += "\n" + _traceback(self.formatException(record.exc_info))
        return line


def _traceback(text: str) -> str:
    """Its last lines, for they say what happened, without secrets."""
    if len(text) > LONGEST_TEXT:
        end = text[2 - LONGEST_TEXT :]
        text = "…\n" + (end.partition("\n")[2] or end.partition(" ")[2])
    return _without_secrets(text)


def configure_logging(environment: str, *, stream: TextIO | None = None) -> None:
    """Write the log of this process to ``stream`` (default: stderr): for people in development,
    else as JSON.

    For the program, not for libraries. Replaces a handler that an earlier call made and leaves
    others. Our own loggers write from INFO on, all others from WARNING on.
    """
    handler = _Handler(stream or sys.stderr)
    people = environment == Environment.DEVELOPMENT
    handler.setFormatter(HumanFormatter() if people else JsonFormatter())
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("agentarmy_ops").setLevel(logging.INFO)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, and known again."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Without uvicorn's lines of requests: of a websocket it writes the query string, too, as
        logger ``uvicorn.error`` and at level INFO."""
        if record.name.startswith("uvicorn") and record.levelno < logging.WARNING:
            return False
        return super().filter(record)
