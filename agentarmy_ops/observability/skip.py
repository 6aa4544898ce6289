"""Paths that a middleware leaves alone."""

from collections.abc import Iterable

from starlette.types import Scope


def is_skipped(scope: Scope, paths: Iterable[str]) -> bool:
    """Whether the request is for one of ``paths`` or below it: ``/health`` stands for
    ``/health/ready``, and not for ``/healthy``; ``/`` stands for all.

    Paths are meant as the application sees them, below the ``root_path`` of a proxy.
    """
    path: str = scope["path"]
    root = scope.get("app_root_path", scope.get("root_path", ""))
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :] or "/"
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in paths)
