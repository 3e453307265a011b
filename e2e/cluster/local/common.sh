# shellcheck shell=bash
# What up.sh, down.sh and the scripts that they call have in common: where everything is, and whether the node runs.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repository=$(cd "$here/../../.." && pwd -P)
cluster=$repository/target/cluster
export state=$cluster/state logs=$cluster/logs pki=$cluster/state/var/lib/kubernetes/pki
# Of its own, so that what is left of the cluster's cgroups can be found.
export cgroup=vsi-cluster
export KUBECONFIG=$cluster/kubeconfig KUBECACHEDIR=$state/kubectl
# The folders of distributions for CNI plugins come before the `bridge` of iproute2.
export PATH=$cluster/bin:/opt/cni/bin:/usr/lib/cni:$PATH

# Prints the process that made the node's namespaces if it is still that one: process numbers are used again.
node_process() {
    local process
    process=$(cat "$state/process" 2>/dev/null) &&
        grep --quiet --null-data --line-regexp --fixed-strings "$here/node.sh" "/proc/$process/cmdline" 2>/dev/null &&
        printf '%s\n' "$process"
}
