import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.secrets.factory import open_secrets_store


def test_a_folder_by_url_and_by_path(tmp_path: Path) -> None:
    open_secrets_store(tmp_path.as_uri()).set("acme-key", SecretStr("x"))
    assert open_secrets_store(str(tmp_path)).get("acme-key") == SecretStr("x")


@pytest.mark.parametrize("project", ["acme-ops-42", "example.com:acme-ops", "1234567890"])
def test_a_project(project: str) -> None:
    store = open_secrets_store(f"sm://{project}")
    assert repr(store) == f"GoogleSecretManagerStore(sm://{project})"


@pytest.mark.parametrize(
    "rest", ["", "/", "acme-ops/x", "hunter2@acme-ops", "Acme", "acme-ops?x", "acme-ops\n", "-x"]
)
def test_what_is_no_project(rest: str) -> None:
    with pytest.raises(ConfigurationError, match="HERE does not name a Google Cloud") as caught:
        open_secrets_store(f"sm://{rest}", name="HERE")
    assert "hunter2" not in str(caught.value)


def test_another_kind_of_url_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="SECRETS_STORE_URL has the scheme") as caught:
        open_secrets_store("vault://hunter2")
    assert "sm://project" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_who_keeps_secrets_in_files_does_not_load_googles_client(tmp_path: Path) -> None:
    program = (
        "import sys; from agentarmy_ops.secrets.factory import open_secrets_store as o; "
        "o(sys.argv[1]).versions('acme-key'); "
        "print([m for m in sys.modules if m.startswith('google.cloud') or m == 'grpc'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
