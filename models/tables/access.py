"""Organizations, the people in them, and their sessions."""

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.db_defaults import SqlDefault
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from models.tables.columns import belongs_to, identifier, recorded_at


class Organization(Model):
    """A customer of Scrip: who owns wallets, and whose name stands on invoices."""

    id = identifier()
    slug = fields.CharField(max_length=254, unique=True)
    name = fields.TextField()
    contact_email = fields.TextField()
    address = fields.TextField(default="", db_default="")
    tax_id = fields.TextField(null=True)
    is_active = fields.BooleanField(default=True, db_default=True)
    created_at = recorded_at()

    class Meta:
        table = "organizations"
        indexes = [Index(fields=("created_at", "id"), name="organizations_by_age")]
        constraints = [
            CheckConstraint(check="length(name) BETWEEN 1 AND 200", name="organizations_name_length"),
        ]


class User(Model):
    """A person who signs in. `permissions` is the truth about what they may do; tokens only say who they are."""

    id = identifier()
    organization = belongs_to("Organization", null=True)
    email = fields.CharField(max_length=254, unique=True)
    name = fields.TextField()
    password_hash = fields.TextField(null=True)
    permissions = ArrayField("text", default=list, db_default=SqlDefault("'{}'::text[]"))
    role = fields.TextField(default="member", db_default="member")
    user_type = fields.TextField(default="institution", db_default="institution")
    is_active = fields.BooleanField(default=True, db_default=True)
    last_login = fields.DatetimeField(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "users"
        indexes = [Index(fields=("organization_id",), name="users_by_organization")]
        constraints = [CheckConstraint(check="email = lower(email)", name="users_email_lower_case")]


class Session(Model):
    """One sign-in. The refresh token rotates; a used one that comes back ends the whole session."""

    id = identifier()
    user = belongs_to("User")
    generation = fields.IntField(default=1, db_default=1)
    refresh_hash = fields.TextField()
    expires_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    revoked_because = fields.TextField(null=True)
    created_at = recorded_at()

    class Meta:
        table = "sessions"
        indexes = [Index(fields=("user_id",), name="sessions_by_user")]
