#!/usr/bin/env bash
# Runs the commands of docs/quickstart.md that need a cluster, as they are written there: up to the first secret, or, with
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
' docs/quickstart.md)
commands=${commands/kind create cluster/kind create cluster $*}

if [ -n "$print" ]; then
    printf '%s\n' "$commands"
    exit
fi
set -x
eval "$commands"
