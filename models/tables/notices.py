"""What an organization is told about its wallet, and whether anybody has read it."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import belongs_to, identifier, one_of, recorded_at, tokens
from rules.notices import NoticeKind


class Notice(Model):
    """One thing told once. `level` tells the warnings about one thing apart: days ahead for `tokens.expiring`."""

    id = identifier()
    organization = belongs_to("Organization")
    kind = fields.TextField()
    about_type = fields.TextField()
    about_id = fields.UUIDField()
    level = fields.IntField(default=0, db_default=0)
    tokens = tokens(null=True)
    expires_at = fields.DatetimeField(null=True)
    created_at = recorded_at()
    read_at = fields.DatetimeField(null=True)

    class Meta:
        table = "notices"
        indexes = [Index(fields=("organization_id", "created_at"), name="notices_by_organization")]
        constraints = [
            UniqueConstraint(fields=("kind", "about_type", "about_id", "level"), name="notices_told_once"),
            CheckConstraint(check=one_of("kind", NoticeKind), name="notices_kind"),
            CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name="notices_tokens_positive"),
            CheckConstraint(check="level >= 0", name="notices_level_not_negative"),
            CheckConstraint(
                check="kind <> 'tokens.expiring' OR tokens IS NOT NULL AND expires_at IS NOT NULL",
                name="notices_of_expiry_say_what_and_when",
            ),
        ]
