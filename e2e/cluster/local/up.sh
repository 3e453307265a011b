#!/usr/bin/env bash
# Brings up a Kubernetes cluster of one node, for tests, from programs on PATH or in target/cluster/bin:
#
#     up.sh            and how to reach it is printed
#     up.sh --check    only says what is missing for that
#
# All runs in namespaces of its own (node.sh), on the addresses 10.200.0.2 (the node; the machine is 10.200.0.1 to it),
# 10.244.0.0/23 (pods) and 10.96.0.0/16 (services), with all files below target/cluster. down.sh takes it down.
set -euo pipefail
# shellcheck source=e2e/cluster/local/common.sh
. "$(dirname "$0")/common.sh"

built=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl containerd
    containerd-shim-runc-v2 ctr runc coredns vault consul-template)
plugins=(bridge loopback host-local portmap)

check() {
    local program package missing=()
    for program in "${built[@]}"; do
        command -v "$program" >/dev/null || missing+=("$program: make cluster-programs")
    done
    # A program of iproute2 is called bridge too.
    for program in "${plugins[@]}"; do
        [[ $("$program" 2>&1 </dev/null) == "CNI $program plugin"* ]] || missing+=("$program: make cluster-programs")
    done
    if command -v containerd >/dev/null && [[ $(containerd --version) != *\ v2.* && $(containerd --version) != *\ 2.* ]]; then
        missing+=('containerd 2: make cluster-programs')
    fi
    if command -v openssl >/dev/null && [[ $(openssl version) == 'OpenSSL 1.'* ]]; then
        missing+=('OpenSSL 3')
    fi
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) || missing+=('bash 5.1')
    # The node has its own folders there.
    [[ $repository/ != /var/* && $repository/ != /run/* ]] || missing+=('a checkout outside of /var and /run')
    if command -v runc >/dev/null && [[ $(runc --version) != *libseccomp* ]]; then
        missing+=('runc with seccomp: make cluster-programs')
    fi
    while read -r program package; do
        command -v "$program" >/dev/null || missing+=("$program: apt-get install $package")
    done <<'END'
busybox busybox-static
ip iproute2
iptables iptables
jq jq
openssl openssl
pgrep procps
unshare util-linux
END
    if command -v busybox >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then
        missing+=('a static busybox: apt-get install busybox-static')
    fi
    [ "$(id -u)" = 0 ] || missing+=('root')
    [ ${#missing[@]} -eq 0 ] && return
    {
        printf 'A cluster cannot run on this machine; missing:\n'
        printf '  %s\n' "${missing[@]}"
    } >&2
    exit 2
}

# The version that a program reports, or else that of the module it was built of.
version() {
    case $1 in
    kubectl) kubectl version --client ;;
    containerd-shim-runc-v2) containerd-shim-runc-v2 -v ;;
    busybox) busybox ;;
    bridge | loopback | host-local | portmap)
        grep --text 'containernetworking/plugins[[:space:]]v' "$(command -v "$1")"
        ;;
    *) "$1" --version ;;
    esac 2>&1 | grep --text --only-matching '[0-9]\+\.[0-9]\+\.[0-9]\+[-+.0-9a-z]*' | head -1
}

versions() {
    local program
    for program in "${built[@]}" "${plugins[@]}" bao busybox iptables; do
        command -v "$program" >/dev/null || continue
        jq --null-input --arg name "$program" --arg version "$(version "$program")" '{($name): $version}'
    done | jq --slurp add
}

# step WHAT LOG COMMAND...: waits until the command succeeds. Should it not, that log is shown.
step() {
    local what=$1 limit=$((SECONDS + 120))
    log=$2
    until "${@:3}" >/dev/null 2>&1; do
        kill -0 "$process" 2>/dev/null || exit 1
        if ((SECONDS > limit)); then
            printf 'not after two minutes: %s\n' "$what" >&2
            exit 1
        fi
        sleep 0.2
    done
    printf '%3s s  %s\n' "$SECONDS" "$what"
}

log=node
failed() {
    local status=$?
    [ $status -eq 0 ] && return
    if [ -e "$logs/ended" ]; then
        log=$(cat "$logs/ended")
        printf '%s has ended\n' "$log"
    fi >&2
    if [ -e "$logs/$log.log" ]; then
        printf '%s:\n' "$logs/$log.log"
        tail -20 "$logs/$log.log"
    fi >&2
    "$here/down.sh"
    exit $status
}

# The first process in the node's namespaces, as seen from here.
first_process() {
    first=$(pgrep --parent "$process")
}

# Claims of volumes in the default class find these. As `local` volumes, not `hostPath`, they get a pod's fsGroup.
volumes() {
    local number
    for number in 1 2 3 4 5 6 7 8; do
        mkdir --mode=0777 "$state/var/lib/volumes/$number"
        cat <<END
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-$number}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  local: {path: /var/lib/volumes/$number}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [vsi-node]}]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
END
    done
}

check
[ "${1-}" != --check ] || exit 0
if node_process >/dev/null && [ -e "$state/pids/kubelet" ]; then
    printf 'the cluster is up; export KUBECONFIG=%s\n' "$KUBECONFIG"
    exit 0
fi
"$here/down.sh"
for range in 10.200.0.0/30 10.244.0.0/23 10.96.0.0/16; do
    taken=$(ip -4 route show table all root "$range")
    if [ -n "$taken" ]; then
        printf 'addresses of the cluster, %s, are taken: %s\n' "$range" "$taken" >&2
        exit 1
    fi
done

trap failed EXIT
trap 'exit 130' INT TERM
rm -rf "$logs"
mkdir -p "$logs" "$state"/{pids,var/lib/{containerd,kubernetes/cni,volumes}}
ln -s /run "$state/var/run"
cp -r "$here/config" "$state/var/lib/kubernetes/config"
for program in "${plugins[@]}"; do
    ln -s "$(command -v "$program")" "$state/var/lib/kubernetes/cni"
done
versions >"$cluster/versions.json"
"$here/certificates.sh"

# The kubelet wants its cgroup to be there.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir "/sys/fs/cgroup/$cgroup"
    sed 's/[a-z]\+/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
else
    for controller in /sys/fs/cgroup/*; do
        # One of several controllers may be a link to all of them.
        [ -L "$controller" ] || mkdir "$controller/$cgroup"
    done
fi
setsid unshare --mount --pid --net --uts --fork --kill-child --mount-proc "$here/node.sh" \
    </dev/null >"$logs/node.log" 2>&1 &
process=$!
printf '%s\n' "$process" >"$state/process"
step 'the node is there' node first_process
ip link add vsi-host type veth peer name eth0 netns "$first"
ip address add 10.200.0.1/30 dev vsi-host
ip link set vsi-host up
ip -oneline link show vsi-host | cut -d : -f 1 >"$state/link"
ip route add 10.244.0.0/23 via 10.200.0.2
ip route add 10.96.0.0/16 via 10.200.0.2

socket=/proc/$first/root/run/containerd/containerd.sock
step 'containerd answers' containerd ctr --address "$socket" version
log=images
"$here/images.sh" >"$logs/images.log" 2>&1
step 'its images are there' images true
step 'the API server answers' kube-apiserver kubectl get --raw /readyz
step 'DNS answers' coredns busybox nslookup kubernetes.default.svc.cluster.local 10.96.0.10
step 'the default service account is there' kube-controller-manager kubectl get serviceaccount default
volumes | kubectl apply --filename - >/dev/null
step 'the node is Ready' kubelet kubectl wait --for=condition=Ready --timeout=1s node/vsi-node
# For tests that stop one for a while.
pgrep --parent "$first" --list-full | while read -r process program _; do
    printf '%s\n' "$process" >"$state/pids/$program"
done
printf 'export KUBECONFIG=%s\n' "$KUBECONFIG"
