"""What every change writes beside its own rows: outbox, feed, remembered answers, effects and the audit trail."""

from tortoise import fields
from tortoise.fields.db_defaults import SqlDefault
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import document, recorded_at


class Outbox(Model):
    """An event waiting for the sequencer; written in the transaction of the change it tells about."""

    id = fields.BigIntField(primary_key=True, generated=True)
    organization_id = fields.UUIDField(null=True)
    topic = fields.TextField()
    body = document()
    occurred_at = fields.DatetimeField(db_default=SqlDefault("clock_timestamp()"))

    class Meta:
        table = "outbox"


class FeedEvent(Model):
    """The gapless, commit-ordered log of events; `seq` is the public cursor."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    organization_id = fields.UUIDField(null=True)
    topic = fields.TextField()
    body = document()
    occurred_at = fields.DatetimeField()

    class Meta:
        table = "feed"
        indexes = [Index(fields=("organization_id", "seq"), name="feed_by_organization")]


class FeedCursor(Model):
    """How far a durable reader of the feed has come."""

    reader = fields.CharField(max_length=100, primary_key=True)
    seq = fields.BigIntField()
    updated_at = recorded_at()

    class Meta:
        table = "feed_cursors"


class IdempotencyKey(Model):
    """The first answer to an intention, refusals included, under the caller's name for it."""

    id = fields.BigIntField(primary_key=True, generated=True)
    organization_id = fields.UUIDField()
    operation = fields.TextField()
    key = fields.TextField()
    fingerprint = fields.CharField(max_length=64)
    answer = document(null=True)
    created_at = recorded_at()

    class Meta:
        table = "idempotency_keys"
        constraints = [
            UniqueConstraint(fields=("organization_id", "operation", "key"), name="idempotency_keys_once"),
            CheckConstraint(check="length(key) BETWEEN 1 AND 255", name="idempotency_keys_length"),
        ]


class Effect(Model):
    """A workflow step that has happened, by its business name, and what came of it; append-only."""

    key = fields.CharField(max_length=255, primary_key=True)
    result = document(null=True)
    recorded_at = recorded_at()

    class Meta:
        table = "effects"


class AuditLog(Model):
    """Who did what to what; append-only, chained by hash per organization by the database itself."""

    id = fields.BigIntField(primary_key=True, generated=True)
    organization_id = fields.UUIDField(null=True)
    sequence = fields.BigIntField(null=True)
    action = fields.TextField()
    resource = fields.TextField()
    resource_id = fields.TextField()
    actor = fields.TextField()
    request_id = fields.TextField(null=True)
    details = document()
    timestamp = recorded_at()
    previous_hash = fields.BinaryField(null=True)
    hash = fields.BinaryField(null=True)

    class Meta:
        table = "token_audit_logs"
        indexes = [
            Index(fields=("organization_id", "timestamp"), name="audit_by_organization"),
            Index(fields=("resource", "resource_id"), name="audit_by_resource"),
        ]
        constraints = [UniqueConstraint(fields=("organization_id", "sequence"), name="audit_sequence_once")]


class AuditHead(Model):
    """The end of each organization's audit chain; the platform's own chain has the zero id."""

    organization_id = fields.UUIDField(primary_key=True, default=None)
    sequence = fields.BigIntField()
    hash = fields.BinaryField()

    class Meta:
        table = "audit_heads"
