#!/usr/bin/env bash
# Takes the cluster that up.sh has made down, whatever state it is in. Nothing is left but its logs.
set -euo pipefail
# shellcheck source=e2e/cluster/local/common.sh
. "$(dirname "$0")/common.sh"

# Waits until a command fails.
gone() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    printf 'after 30 seconds this is still there: %s\n' "$*" >&2
    exit 1
}

cgroup_left() {
    find "$1" -depth -type d -exec rmdir {} +
    [ -d "$1" ]
}

# What there is then belongs to another checkout of the repository.
[ -e "$state" ] || exit 0
if process=$(node_process); then
    # unshare ends when the first process of its namespaces has ended, and that one is the last of all to end.
    pkill -KILL --parent "$process" || kill -KILL "$process"
    gone node_process
fi
# The registry.
if registry=$(cat "$state/registry-process" 2>/dev/null) && grep --quiet docker-registry "/proc/$registry/cmdline" 2>/dev/null; then
    kill -KILL "$registry"
fi
# If there is such a link by now that is not ours, the rest belongs to the cluster of another checkout.
link=$(ip -oneline link show vsi-host 2>/dev/null | cut -d : -f 1) || true
if [ -n "$link" ] && [ "$link" != "$(cat "$state/link" 2>/dev/null)" ]; then
    rm -rf --one-file-system "$state" "$KUBECONFIG"
    exit
fi
# It goes with the node's end of it, but a while later.
ip link delete vsi-host 2>/dev/null || true
for root in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
    gone cgroup_left "$root"
done
rm -rf --one-file-system "$state" "$KUBECONFIG"
