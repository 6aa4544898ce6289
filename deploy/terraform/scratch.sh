#!/usr/bin/env bash
# Starts PostgreSQL in a container of Container-Optimized OS, as the scratch server. Runs at every
# boot; what an earlier boot left is thrown away.
set -euo pipefail

metadata() {
    curl --fail --silent --show-error --retry 5 --header 'Metadata-Flavor: Google' \
        "http://metadata.google.internal/computeMetadata/v1/instance/$1"
}

# The value of a field of an answer that has it once, as a string.
field() {
    tr -d '\n' | sed -nE "s/.*\"$1\" *: *\"([^\"]*)\".*/\1/p"
}

image=$(metadata attributes/scratch-image)
secret=$(metadata attributes/scratch-password)

folder=$(mktemp -d "${RUN_FOLDER:-/run}/scratch.XXXXXX")
export HOME="$folder"
chmod 700 "$folder"

# The token is read from a file, for arguments can be seen by other processes.
metadata service-accounts/default/token | field access_token | sed 's/^/Authorization: Bearer /' >"$folder/header"
curl --fail --silent --show-error --retry 5 --header "@$folder/header" \
    "https://secretmanager.googleapis.com/v1/$secret/versions/latest:access" |
    field data | base64 -d >"$folder/password"
rm "$folder/header"
[ -s "$folder/password" ]
chmod 444 "$folder/password" # the server's user reads it; the folder is root's

docker-credential-gcr configure-docker --registries="${image%%/*}" >/dev/null
docker pull --quiet "$image"
docker rm --force --volumes scratch 2>/dev/null || true

# Whoever runs code in the container, as a superuser of its PostgreSQL can, gets no answer from
# anything: neither the machine, nor the metadata server, nor the network. Only what asked first does.
iptables --wait --insert DOCKER-USER --in-interface docker0 --jump DROP
iptables --wait --insert DOCKER-USER --in-interface docker0 \
    --match conntrack --ctstate ESTABLISHED,RELATED --jump ACCEPT
iptables --wait --insert INPUT --in-interface docker0 --jump DROP

# Nothing here is worth a disk's patience: fsync and the rest are off.
docker run --detach --name scratch --restart always --publish 5432:5432 \
    --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
    --cap-add SETGID --cap-add SETUID --security-opt no-new-privileges --shm-size 512m \
    --env POSTGRES_PASSWORD_FILE=/run/password --volume "$folder/password:/run/password:ro" \
    "$image" -c password_encryption=scram-sha-256 \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off \
    -c wal_level=minimal -c max_wal_senders=0 -c shared_buffers=256MB \
    -c max_locks_per_transaction=1024
