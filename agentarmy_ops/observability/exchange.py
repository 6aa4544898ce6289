"""One request and its answer, watched as they pass a middleware."""

from collections.abc import Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SWITCHING_PROTOCOLS = 101
FORBIDDEN = 403
# nginx's code for a client that went away before it had its answer; no answer carries it.
CLIENT_CLOSED_REQUEST = 499
SERVER_ERROR = 500


class Exchange:
    """What becomes of one request, HTTP or websocket.

    ``ended`` is called once: when the application hands over the last byte of its answer (what it
    does afterwards, such as Starlette's background tasks, does not count), or when it returned or
    raised before that. A websocket ends here with its
    handshake, however long it then lives.

    ``status`` is then that of the answer; :data:`CLIENT_CLOSED_REQUEST` when the application
    learned that the client went away before the answer was complete; :data:`SERVER_ERROR` when it
    raised, was cancelled or returned before that, also when another status was sent first: the
    client got half an answer. A websocket that was accepted has 101, one refused 403, as
    servers answer it.
    """

    def __init__(self, scope: Scope, ended: Callable[["Exchange"], None]) -> None:
        self.scope = scope
        self.status = SERVER_ERROR
        self.body_bytes = 0
        self.seconds = 0.0
        self._ended = ended
        self._complete = False
        self._over = False
        self._gone = False
        self._sent_status = SERVER_ERROR
        self._began = perf_counter()

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let ``app`` answer."""

        async def watched_receive() -> Message:
            message = await receive()
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                self._gone = True
            return message

        async def watched_send(message: Message) -> None:
            # Before it is sent: a client that has its whole answer may go at once, or look at
            # the metrics.
            self._note(message)
            if self._complete:
                self._end()
            await send(message)

        try:
            await app(self.scope, watched_receive, watched_send)
        finally:
            self._end()

    def _note(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self._sent_status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self.body_bytes += len(message.get("body", b""))
                self._complete = not message.get("more_body", False)
            case "websocket.accept":
                self._sent_status = SWITCHING_PROTOCOLS
                self._complete = True
            case "websocket.close" if not self._complete:
                self._sent_status = FORBIDDEN
                self._complete = True

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self.seconds = perf_counter() - self._began
        if self._gone:
            self.status = CLIENT_CLOSED_REQUEST
        elif self._complete:
            self.status = self._sent_status
        self._ended(self)
