#!/usr/bin/env bash
# The node: up.sh starts it as the first process of mount, PID, network and host name namespaces of their own. With it
# ends all that runs in them, containers too, and with that their mounts and interfaces.
#
# Programs find their files where they have them by default, or below /var/lib/kubernetes, on all machines: the
# cluster's own folders are mounted over /var and /run. So their configuration in config/ is constant.
set -euo pipefail
# shellcheck source=e2e/cluster/local/common.sh
. "$(dirname "$0")/common.sh"

# The kubelet needs mounts that are seen in containers; unshare has cut them off from those of the machine.
mount --make-rshared /
mount --bind "$state/var" /var
mount -t tmpfs tmpfs /run
config=/var/lib/kubernetes/config
mount --bind "$config/hosts" /etc/hosts
echo vsi-node >/proc/sys/kernel/hostname

# The kubelet would set these for the whole machine; so it finds them set.
while read -r setting value; do
    printf '%s\n' "$value" >"/run/${setting##*/}"
    mount --bind "/run/${setting##*/}" "/proc/sys/$setting"
done <<'END'
vm/overcommit_memory 1
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END
# A container in a user namespace may mount proc where there is one without such mounts.
mkdir /run/proc
mount -t proc proc /run/proc

# On some file systems, such as overlayfs itself, overlayfs cannot write; in memory it always can.
probe=/var/lib/containerd/probe
mkdir -p "$probe"/{lower,upper,work,merged}
if mount -t overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" overlay "$probe/merged"; then
    umount "$probe/merged"
    rm -r "$probe"
else
    mount -t tmpfs tmpfs /var/lib/containerd
fi

until ip link set eth0 up 2>/dev/null; do sleep 0.05; done
ip link set lo up
ip address add 10.200.0.2/30 dev eth0
ip route add default via 10.200.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward

declare -A names
start() {
    "$@" </dev/null >"$logs/$1.log" 2>&1 &
    names[$!]=$1
}

start containerd --config "$config/containerd.toml"
start etcd --data-dir /var/lib/etcd --unsafe-no-fsync --log-level warn
until (: >/dev/tcp/127.0.0.1/2379) 2>/dev/null; do sleep 0.1; done
pki=/var/lib/kubernetes/pki
start kube-apiserver \
    --advertise-address=10.200.0.2 \
    --allow-privileged \
    --authorization-mode=Node,RBAC \
    --client-ca-file=$pki/ca.crt \
    --enable-admission-plugins=NodeRestriction \
    --etcd-servers=http://127.0.0.1:2379 \
    --kubelet-certificate-authority=$pki/ca.crt \
    --kubelet-client-certificate=$pki/kube-apiserver.crt \
    --kubelet-client-key=$pki/kube-apiserver.key \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file=$pki/service-accounts.pub \
    --service-account-signing-key-file=$pki/service-accounts.key \
    --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file=$pki/kube-apiserver.crt \
    --tls-private-key-file=$pki/kube-apiserver.key
# CoreDNS does not wait for what it is allowed to do.
until kubectl apply --filename "$config/objects.yaml" >/dev/null 2>&1; do sleep 0.2; done
# Without leader election they get over an API server that does not answer for a while.
start kube-controller-manager \
    --allocate-node-cidrs \
    --cluster-cidr=10.244.0.0/23 \
    --cluster-signing-cert-file=$pki/ca.crt \
    --cluster-signing-key-file=$pki/ca.key \
    --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins \
    --kube-api-burst=400 \
    --kube-api-qps=200 \
    --kubeconfig=$pki/kube-controller-manager.kubeconfig \
    --leader-elect=false \
    --node-cidr-mask-size=23 \
    --root-ca-file=$pki/ca.crt \
    --service-account-private-key-file=$pki/service-accounts.key \
    --service-cluster-ip-range=10.96.0.0/16 \
    --use-service-account-credentials
start kube-scheduler --config "$config/kube-scheduler.yaml"
start kubelet --config "$config/kubelet.yaml" --kubeconfig $pki/kubelet.kubeconfig --node-ip 10.200.0.2
start kube-proxy --config "$config/kube-proxy.yaml"
start coredns -conf "$config/Corefile"

# None is started again: a cluster that lost a program is not fit for a test.
wait -n -p ended "${!names[@]}" || true
printf '%s\n' "${names[$ended]}" >"$logs/ended"
