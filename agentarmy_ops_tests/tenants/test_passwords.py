import argon2
import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.tenants.passwords import check_password, generate_password, hash_password


def test_a_hash_is_argon2id_salted_and_verifies() -> None:
    password = SecretStr("correct horse battery ä")
    one, other = hash_password(password), hash_password(password)
    assert one.startswith("$argon2id$v=19$")
    assert one != other
    assert argon2.PasswordHasher().verify(one, "correct horse battery ä")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(one, "correct horse battery a")


def test_generated_passwords_differ_and_are_long() -> None:
    made = {generate_password().get_secret_value() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 32
    assert check_password(generate_password())


@pytest.mark.parametrize(("value", "fits"), [("", 0), ("x" * 11, 0), ("x" * 12, 1), ("ä" * 12, 1)])
def test_a_given_password_has_twelve_characters(value: str, fits: int) -> None:
    if fits:
        check_password(SecretStr(value))
        return
    with pytest.raises(InvalidInputError, match="too short: give at least 12"):
        check_password(SecretStr(value))


def test_a_password_that_is_no_text_is_not_shown() -> None:
    with pytest.raises(InvalidInputError, match="not valid UTF-8") as caught:
        check_password(SecretStr("hunter2hunter2\ud800"))
    assert "hunter2" not in str(caught.value)
