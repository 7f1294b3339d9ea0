#!/bin/sh
# Brings both of Temporal's databases to the newest schema of this image. Repeating it changes nothing.
set -eu

for database in temporal:temporal temporal_visibility:visibility; do
    name=${database%%:*}
    folder=/etc/temporal/schema/postgresql/v12/${database##*:}/versioned
    tool="temporal-sql-tool --plugin postgres12 --ep $POSTGRES_SEEDS --port $DB_PORT --user $POSTGRES_USER --db $name"
    $tool setup-schema -v 0.0
    $tool update-schema -d "$folder"
done
