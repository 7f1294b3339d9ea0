#!/bin/sh
# The namespace exists, and workflows can be searched by what Scrip says about them. Repeating it changes nothing.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE come from the environment and are read by the command itself.
set -eu

temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 90d

# A namespace is known to the whole server only some seconds after it was made.
attempts=30
until known=$(temporal operator search-attribute list); do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || exit 1
    sleep 2
done

for attribute in ScripOrganization:Keyword ScripPurchase:Keyword ScripAmount:Double ScripStage:Keyword; do
    name=${attribute%%:*}
    echo "$known" | grep -q "\b$name\b" ||
        temporal operator search-attribute create --name "$name" --type "${attribute##*:}"
done
