#!/bin/sh
# Runs once, when the volume is empty: the role that owns the tables, the role the product signs in as, the database.
# The migrations give scrip_app its rights.
set -eu
: "${SCRIP_OWNER_PASSWORD:?}" "${SCRIP_APP_PASSWORD:?}"

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set owner_password="$SCRIP_OWNER_PASSWORD" --set app_password="$SCRIP_APP_PASSWORD" <<'SQL'
CREATE ROLE scrip_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE scrip_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'app_password';
CREATE DATABASE scrip OWNER scrip_owner;
REVOKE ALL ON DATABASE scrip FROM PUBLIC;
GRANT CONNECT ON DATABASE scrip TO scrip_app;
SQL
