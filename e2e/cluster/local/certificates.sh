#!/usr/bin/env bash
# Makes the cluster's CA, the certificates and kubeconfigs of its programs and of the administrator, and the key of
# service account tokens. All are new for each cluster, and gone with it.
set -euo pipefail
# shellcheck source=e2e/cluster/local/common.sh
. "$(dirname "$0")/common.sh"

# certificate NAME EXTENSIONS SUBJECT [SIGNER...]
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -config "$here/config/openssl.cnf" -extensions "$2" -subj "$3" "${@:4}" -keyout "$pki/$1.key" -out "$pki/$1.crt" 2>/dev/null
}

signed() {
    certificate "$@" -CA "$pki/ca.crt" -CAkey "$pki/ca.key"
}

# The user is whom the certificate names; files are in it, so that it can be used on the node and outside.
kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters:
  - name: local
    cluster:
      server: https://10.200.0.2:6443
      certificate-authority-data: $(base64 --wrap=0 "$pki/ca.crt")
users:
  - name: $1
    user:
      client-certificate-data: $(base64 --wrap=0 "$pki/$1.crt")
      client-key-data: $(base64 --wrap=0 "$pki/$1.key")
contexts:
  - name: local
    context: {cluster: local, user: $1}
current-context: local
END
}

umask 077
mkdir -p "$pki"
certificate ca ca /CN=kubernetes-ca
signed kube-apiserver kube-apiserver /O=system:masters/CN=kube-apiserver
signed kubelet kubelet /O=system:nodes/CN=system:node:vsi-node
signed admin client /O=system:masters/CN=admin
for program in kube-controller-manager kube-scheduler kube-proxy coredns; do
    signed $program client /CN=system:$program
done
for user in kubelet kube-controller-manager kube-scheduler kube-proxy coredns; do
    kubeconfig $user >"$pki/$user.kubeconfig"
done
kubeconfig admin >"$KUBECONFIG"
openssl genrsa -out "$pki/service-accounts.key" 2048 2>/dev/null
openssl rsa -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub" 2>/dev/null
