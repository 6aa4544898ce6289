import subprocess
import sys
from pathlib import Path

import pytest

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.stores.factory import open_store
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops.stores.local import LocalStore


@pytest.mark.parametrize(
    "template", ["file://{}", "{}", "file://localhost{}", "FILE://{}"], ids=str
)
def test_a_folder(tmp_path: Path, template: str) -> None:
    store = open_store(template.format(tmp_path))
    assert isinstance(store, LocalStore)
    assert store.url == tmp_path.as_uri()


@pytest.mark.parametrize("folder", ["a b", "a%b", "a?b#c", "ä"])
def test_a_url_survives_the_round_trip(tmp_path: Path, folder: str) -> None:
    url = LocalStore(tmp_path / folder).url
    assert open_store(url).url == url


@pytest.mark.parametrize("url", ["s3://hunter2", "http://hunter2"])
def test_other_schemes_are_named_without_the_rest(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BACKUP_STORE_URL has the scheme") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
    assert "file:///absolute/path" in str(caught.value)
    assert "gs://bucket/prefix" in str(caught.value)


@pytest.mark.parametrize("url", ["", "relative", "file://relative", "file:///", "/", "/a/../b"])
def test_what_names_no_folder(url: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a folder"):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "same_as"),
    [
        ("gs://bucket", "gs://bucket"),
        ("GS://my.bucket-1_x/", "gs://my.bucket-1_x"),
        ("gs://bucket/a/b", "gs://bucket/a/b"),
        ("gs://bucket/a b/ä%/", "gs://bucket/a b/ä%"),
    ],
)
def test_a_bucket(url: str, same_as: str) -> None:
    store = open_store(url)  # without credentials and without a network
    assert isinstance(store, GcsStore)
    assert store.url == same_as
    assert repr(store) == f"GcsStore({same_as})"


@pytest.mark.parametrize(
    "url",
    [
        "gs://", "gs:///prefix", "gs://b", "gs://Bucket", "gs://user:hunter2@bucket/x",
        "gs://bucket//x", "gs://bucket/../x", "gs://bucket/.hidden", "gs://bucket\n/x", "gs://-b-/x",
    ],
)  # fmt: skip
def test_what_names_no_bucket(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BACKUP_STORE_URL does not name a bucket") as no:
        open_store(url)
    assert "hunter2" not in str(no.value)
    assert "gs://bucket/prefix" in str(no.value)


def test_who_keeps_backups_in_a_folder_does_not_wait_for_google(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from agentarmy_ops.definitions import defs\n"
        "from agentarmy_ops.runtime import Runtime\n"
        "assert Runtime().store.url\n"
        "print([name for name in sys.modules if name in ('google.cloud.storage', 'dagster_gcp')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
