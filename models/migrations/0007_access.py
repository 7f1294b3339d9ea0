"""API keys, attempts to sign in, allowances; and their constraints, which creating a table leaves out of the database."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.base import OnDelete
from tortoise.fields.db_defaults import SqlDefault
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from models.migrations import statements

CONSTRAINTS = (
    ('api_keys', 'api_keys_name_length', 'CHECK (length(name) BETWEEN 1 AND 100)'),
    ('api_keys', 'api_keys_secret_is_hashed', "CHECK (secret_hash ~ '^[0-9a-f]{64}$')"),
    ('api_keys', 'api_keys_scopes_are_tokens', "CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['tokens.configure', 'tokens.purchase', 'tokens.spend', 'tokens.view'])"),
    ('api_keys', 'api_keys_revoked_by_somebody', 'CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))'),
    ('rate_allowances', 'rate_allowances_once', 'UNIQUE (subject, window_start)'),
    ('rate_allowances', 'rate_allowances_grants_are_taken', 'CHECK (granted > 0 AND granted <= taken)'),
    ('sign_in_attempts', 'sign_in_attempts_address_is_hashed', "CHECK (address_hash ~ '^[0-9a-f]{64}$')"),
    ('sign_in_attempts', 'sign_in_attempts_fewer_than_lock', 'CHECK (cardinality(recent) < 5)'),
    ('sign_in_attempts', 'sign_in_attempts_locks_not_negative', 'CHECK (locks >= 0)'),
)

class Migration(migrations.Migration):
    dependencies = [('models', '0006_catalogue')]

    initial = False

    operations = [
        ops.CreateModel(
            name='ApiKey',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('organization', fields.ForeignKeyField('models.Organization', source_field='organization_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('name', fields.TextField(unique=False)),
                ('secret_hash', fields.CharField(max_length=64)),
                ('scopes', ArrayField(element_type='TEXT')),
                ('created_by', fields.ForeignKeyField('models.User', source_field='created_by_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('expires_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('last_used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('revoked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('revoked_by', fields.TextField(null=True, unique=False)),
                ('created_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'api_keys', 'app': 'models', 'constraints': [CheckConstraint(check='length(name) BETWEEN 1 AND 100', name='api_keys_name_length'), CheckConstraint(check="secret_hash ~ '^[0-9a-f]{64}$'", name='api_keys_secret_is_hashed'), CheckConstraint(check="cardinality(scopes) > 0 AND scopes <@ ARRAY['tokens.configure', 'tokens.purchase', 'tokens.spend', 'tokens.view']", name='api_keys_scopes_are_tokens'), CheckConstraint(check='(revoked_at IS NULL) = (revoked_by IS NULL)', name='api_keys_revoked_by_somebody')], 'indexes': [Index(fields=['organization_id', 'created_at', 'id'], name='api_keys_by_organization'), Index(fields=['created_by_id'], name='api_keys_by_creator')], 'pk_attr': 'id', 'table_description': "A credential of an organization's programs. Of its secret only the hash is here."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='RateAllowance',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('subject', fields.CharField(max_length=100)),
                ('window_start', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('taken', fields.BigIntField()),
                ('granted', fields.BigIntField()),
            ],
            options={'table': 'rate_allowances', 'app': 'models', 'constraints': [UniqueConstraint(fields=('subject', 'window_start'), name='rate_allowances_once'), CheckConstraint(check='granted > 0 AND granted <= taken', name='rate_allowances_grants_are_taken')], 'indexes': [Index(fields=['window_start'], name='rate_allowances_by_window')], 'pk_attr': 'id', 'table_description': "How much of a subject's allowance the processes have leased in a window, and what the last of them was given."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SignInAttempts',
            fields=[
                ('address_hash', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ('recent', ArrayField(element_type='TIMESTAMPTZ')),
                ('locks', fields.IntField(default=0, db_default=0)),
                ('locked_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sign_in_attempts', 'app': 'models', 'constraints': [CheckConstraint(check="address_hash ~ '^[0-9a-f]{64}$'", name='sign_in_attempts_address_is_hashed'), CheckConstraint(check='cardinality(recent) < 5', name='sign_in_attempts_fewer_than_lock'), CheckConstraint(check='locks >= 0', name='sign_in_attempts_locks_not_negative')], 'indexes': [Index(fields=['updated_at'], name='sign_in_attempts_by_age')], 'pk_attr': 'address_hash', 'table_description': "How often an address was tried of late. Its key is a hash, because nobody's address belongs here."},
            bases=['Model'],
        ),
        ops.AddIndex(
            'Organization',
            Index(fields=['created_at', 'id'], name='organizations_by_age'),
        ),
        statements(
            *(
                (
                    f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", f"ALTER TABLE {table} DROP CONSTRAINT {name}"
                )
                for table, name, definition in CONSTRAINTS
            ),
            # Updated in place by every lease and every attempt; a few rows, changed often.
            ("ALTER TABLE rate_allowances SET (fillfactor = 50)", ""),
            ("ALTER TABLE sign_in_attempts SET (fillfactor = 70)", ""),
        ),
    ]
