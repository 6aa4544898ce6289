"""Which object names a store accepts: the same in every store, so that they can be exchanged."""

from agentarmy_ops.errors import StoreError


def split_name(name: str) -> list[str]:
    """The ``/``-separated segments of an object's name.

    Raises:
        StoreError: a segment is empty, begins with ``.`` (which also rules out ``..``), or
            holds a backslash or a character that cannot be printed.
    """
    if not is_name(name):
        raise StoreError(
            f"{name!r} is not an object name: use relative names such as "
            "tenants/acme/manifest.json whose parts do not begin with a dot"
        )
    return name.split("/")


def is_name(name: str) -> bool:
    """Whether :func:`split_name` accepts ``name``."""
    return all(
        segment and not segment.startswith(".") and "\\" not in segment and segment.isprintable()
        for segment in name.split("/")
    )


def split_prefix(prefix: str) -> tuple[list[str], str]:
    """A prefix as the folders it names whole and the beginning of a name inside the last.

    ``tenants/ac`` gives ``(["tenants"], "ac")``.

    Raises:
        StoreError: no object's name can start with it.
    """
    *folders, start = prefix.split("/")
    if folders:
        split_name("/".join(folders))
    if start:
        split_name(start)
    return folders, start
