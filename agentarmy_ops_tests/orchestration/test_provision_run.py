from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops_tests.fix_dagster import Stack, failure_of, recorded_partitions
from agentarmy_ops_tests.fix_tenants import AppDatabase

NEW = {"tenant": {"config": {"name": "Acme", "admin_email": "admin@acme.example"}}}


def test_a_new_tenant_is_made_and_gets_its_partition(stack: Stack) -> None:
    result = stack.run("provision_tenant", partition="acme", ops=NEW)
    assert result.success
    with stack.runtime.registry() as connection:
        assert read_tenant(connection, "acme").name == "Acme"
    assert recorded_partitions(result, "tenant") == ["acme"]
    assert stack.instance.get_dynamic_partitions(PARTITIONS_NAME) == ["acme"]


def test_the_generated_password_is_in_the_secrets_store_and_nowhere_in_the_event_log(
    stack: Stack,
) -> None:
    result = stack.run("provision_tenant", partition="acme", ops=NEW)
    password = stack.runtime.secrets.get(secret_id("acme", "admin-password")).get_secret_value()
    assert len(password) >= 20
    assert not any(password in str(entry) for entry in stack.instance.all_logs(result.run_id))


def test_materializing_again_repairs_without_any_configuration(
    stack: Stack, app_database: AppDatabase
) -> None:
    stack.tenants("acme", "globex")
    with app_database.superuser.connect() as connection:
        connection.execute("ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    result = stack.run("provision_tenant", partitions=("acme", "globex"))
    assert result.success
    repaired = {
        event.partition: event.metadata["repaired"].value
        for event in result.asset_materializations_for_node("tenant")
    }
    assert "users" in str(repaired["acme"])
    assert repaired["globex"] == "nothing"


def test_a_new_tenant_without_a_name_is_refused_in_one_line(stack: Stack) -> None:
    result = stack.run("provision_tenant", partition="acme")
    assert not result.success
    assert failure_of(result) == (
        "provisioning failed: acme: tenant acme is not registered yet: give its name"
    )


def test_a_key_that_is_no_slug_is_refused(stack: Stack) -> None:
    result = stack.run("provision_tenant", partition="Not A Slug", ops=NEW)
    assert not result.success
    assert "'Not A Slug' is not a tenant slug" in failure_of(result)
    assert stack.instance.get_dynamic_partitions(PARTITIONS_NAME) == []
