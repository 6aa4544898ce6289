"""``/metrics``, as Prometheus scrapes it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agentarmy_ops.observability.exporter import CONTENT_TYPE, Exporter


def metrics_route(exporter: Exporter) -> Route:
    """The route; who may read it is decided before it."""

    def metrics(request: Request) -> Response:  # in a thread: with many tenants it is work
        exposition = exporter.expose()
        headers = {"vary": "Accept-Encoding"}
        if _accepts_gzip(request.headers.get("accept-encoding", "")):
            headers["content-encoding"] = "gzip"
            body = exposition.gzip()
        else:
            body = exposition.plain()
        return Response(body, headers=headers, media_type=CONTENT_TYPE)

    return Route("/metrics", metrics, methods=["GET"])


def _accepts_gzip(header: str) -> bool:
    for coding in header.lower().split(","):
        name, _, weight = (part.strip() for part in coding.partition(";"))
        if name == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
