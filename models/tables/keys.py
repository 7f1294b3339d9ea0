"""API keys, and what is counted so that nobody guesses passwords or asks for too much."""

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import belongs_to, identifier, recorded_at
from rules.permissions import WITHIN_AN_ORGANIZATION

SCOPES = ", ".join(f"'{permission}'" for permission in sorted(WITHIN_AN_ORGANIZATION))


class ApiKey(Model):
    """A credential of an organization's programs. Of its secret only the hash is here."""

    id = identifier()
    organization = belongs_to("Organization")
    name = fields.TextField()
    secret_hash = fields.CharField(max_length=64)
    scopes = ArrayField("text")
    created_by = belongs_to("User")
    expires_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)
    revoked_by = fields.TextField(null=True)
    created_at = recorded_at()

    class Meta:
        table = "api_keys"
        indexes = [
            Index(fields=("organization_id", "created_at", "id"), name="api_keys_by_organization"),
            Index(fields=("created_by_id",), name="api_keys_by_creator"),
        ]
        constraints = [
            CheckConstraint(check="length(name) BETWEEN 1 AND 100", name="api_keys_name_length"),
            CheckConstraint(check="secret_hash ~ '^[0-9a-f]{64}$'", name="api_keys_secret_is_hashed"),
            CheckConstraint(
                check=f"cardinality(scopes) > 0 AND scopes <@ ARRAY[{SCOPES}]", name="api_keys_scopes_are_tokens"
            ),
            CheckConstraint(check="(revoked_at IS NULL) = (revoked_by IS NULL)", name="api_keys_revoked_by_somebody"),
        ]


class SignInAttempts(Model):
    """How often an address was tried of late. Its key is a hash, because nobody's address belongs here."""

    address_hash = fields.CharField(max_length=64, primary_key=True)
    recent = ArrayField("timestamptz")
    locks = fields.IntField(default=0, db_default=0)
    locked_until = fields.DatetimeField(null=True)
    updated_at = fields.DatetimeField()

    class Meta:
        table = "sign_in_attempts"
        indexes = [Index(fields=("updated_at",), name="sign_in_attempts_by_age")]
        constraints = [
            CheckConstraint(check="address_hash ~ '^[0-9a-f]{64}$'", name="sign_in_attempts_address_is_hashed"),
            CheckConstraint(check="cardinality(recent) < 5", name="sign_in_attempts_fewer_than_lock"),
            CheckConstraint(check="locks >= 0", name="sign_in_attempts_locks_not_negative"),
        ]


class RateAllowance(Model):
    """How much of a subject's allowance the processes have leased in a window, and what the last of them was given."""

    id = fields.BigIntField(primary_key=True, generated=True)
    subject = fields.CharField(max_length=100)
    window_start = fields.DatetimeField()
    taken = fields.BigIntField()
    granted = fields.BigIntField()

    class Meta:
        table = "rate_allowances"
        indexes = [Index(fields=("window_start",), name="rate_allowances_by_window")]
        constraints = [
            UniqueConstraint(fields=("subject", "window_start"), name="rate_allowances_once"),
            CheckConstraint(check="granted > 0 AND granted <= taken", name="rate_allowances_grants_are_taken"),
        ]
