from pathlib import Path

import pytest

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.stores.factory import open_store
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


@pytest.mark.parametrize("url", ["gs://user:hunter2@bucket/x", "s3://hunter2", "http://hunter2"])
def test_other_schemes_are_named_without_the_rest(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BACKUP_STORE_URL has the scheme") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
    assert "file:///absolute/path" in str(caught.value)


@pytest.mark.parametrize("url", ["", "relative", "file://relative", "file:///", "/", "/a/../b"])
def test_what_names_no_folder(url: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a folder"):
        open_store(url)
