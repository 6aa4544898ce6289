"""What the stores on a local disk share: their URLs, durable folders, errors in one line."""

import errno
import os
from pathlib import Path
from urllib.parse import unquote

from agentarmy_ops.errors import ConfigurationError

_WHAT_TO_DO = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "raise this user's disk quota or free some space there",
    errno.EFBIG: "raise the file size limit of this user or of that file system",
    errno.EACCES: "give this user access to it",
    errno.EPERM: "give this user access to it",
    errno.EROFS: "mount that file system for writing",
    errno.EMFILE: "raise this user's limit of open files",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOTDIR: "a file or a symbolic link is in the way, and links are not followed",
    errno.ELOOP: "a symbolic link is in the way, and links are not followed",
    errno.EXDEV: "keep the whole folder on one file system",
}


def path_of_url(url: str, *, name: str, also: str | None = None) -> Path:
    """The folder that ``file:///path`` or a plain absolute path stands for. ``also`` is another
    kind of URL that the setting may have, for the message.

    Raises:
        ConfigurationError: it is neither; the message names the setting ``name`` and shows
            no more of the value than its scheme, which may carry credentials.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() != "file":
        raise ConfigurationError(
            f"{name} has the scheme {scheme}://, which is not supported; "
            "supported are file:///absolute/path and a plain absolute path"
            + (f", and {also}" if also else "")
        )
    text = unquote(rest.removeprefix("localhost")) if separator else url
    path = Path(text)
    if not path.is_absolute() or path == Path("/") or "\0" in text or ".." in path.parts:
        raise ConfigurationError(
            f"{name} does not name a folder; write it as file:///absolute/path or /absolute/path"
        )
    return path


def explain(error: OSError) -> str:
    """The reason of a failed file operation and what to do about it, in one line."""
    reason = error.strerror or type(error).__name__
    todo = _WHAT_TO_DO.get(error.errno or 0, "check that folder and its disk")
    return f"{reason}; {todo} and try again"


def fsync_folder(folder: Path) -> None:
    """Make what was linked, renamed or removed in ``folder`` outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, mode 0700, and the folders above it that are missing, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in reversed(missing):
        fsync_folder(made.parent)
