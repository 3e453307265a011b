#!/usr/bin/env bash
# Runs the commands of docs/get-started.md that need a cluster, as they are written there: up to the first secret, or, with
# --print, only shows them. What it leaves is a kind cluster with Kubewarden, Vault, the policy and an application.
#
#     quickstart.sh [--print] [KIND-OPTIONS...]
#
# KIND-OPTIONS are added to `kind create cluster`, such as --image kindest/node:v1.29.14.
set -euo pipefail
cd "$(dirname "$0")/../.."

print=
if [ "${1-}" = --print ]; then
    print=yes
    shift
fi

# The blocks before the one that follows a log, and of the last one nothing: it deletes the cluster.
commands=$(awk '
    /^```sh cluster$/ { inside = 1; block = ""; next }
    /^```$/ && inside { inside = 0; if (block ~ /--follow|kind delete/) exit; printf "%s", block }
    inside { block = block $0 "\n" }
' docs/get-started.md)
commands=${commands/kind create cluster/kind create cluster $*}
# A shell goes on if the first of two commands that are joined fails.
commands=${commands// && /$'\n'}
if [[ $commands != *'kind create cluster'*'kubectl logs'* ]]; then
    printf 'docs/get-started.md does not have the commands any more\n' >&2
    exit 1
fi

if [ -n "$print" ]; then
    printf '%s\n' "$commands"
    exit
fi
(
    set -x
    eval "$commands"
)
# The application has found its secret, which is what the page ends with.
for ((tries = 0; tries < 60; tries++)); do
    log=$(kubectl logs deployment/orders --container orders)
    [ "$log" = $'password=first\nuser=orders' ] && exit
    sleep 1
done
printf 'the application logs:\n%s\n' "$log" >&2
exit 1
