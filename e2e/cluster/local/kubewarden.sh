#!/usr/bin/env bash
# Puts Kubewarden into the cluster of up.sh by its Helm charts, and the module into a registry on this machine:
#
#     kubewarden.sh CHARTS
#
# CHARTS is the folder of Kubewarden's charts. helm, kwctl, docker-registry, kubewarden-controller and policy-server are on
# PATH, and annotated-policy.wasm was built. Images are made of the last two programs; nothing is pulled.
set -euo pipefail
# shellcheck source=e2e/cluster/local/image.sh
. "$(dirname "$0")/image.sh"

charts=$(realpath "$1")
module=$registry/vault-sidecar-injector:test
# The audit scanner would be another image.
controller=(kubewarden-controller "$charts/kubewarden-controller" --set auditScanner.enable=false)
defaults=(kubewarden-defaults "$charts/kubewarden-defaults" --set "policyServer.insecureSources={$registry}")

# The one image of a chart, as the chart names it.
chart_image() {
    helm template --namespace kubewarden "$@" | sed --quiet "s/^ *image: [\"']\?\([^\"']*\)[\"']\?$/\1/p" | head -1
}

# The libraries that a program is loaded with, as entries of an image.
libraries() {
    ldd "$(command -v "$1")" | grep --only-matching '/[^ ]*' | sed 's|^/\(.*\)|\1=/\1|' || true
}

base
image "$(chart_image "${controller[@]}")" '{"Entrypoint": ["/controller"], "User": "65532:65532"}' \
    controller="$(command -v kubewarden-controller)"
# Without certificates, policy-server does not even speak to a registry that needs none.
mapfile -t entries < <(libraries policy-server; echo etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt)
image "$(chart_image "${defaults[@]}")" '{"Entrypoint": ["/policy-server"], "User": "65533:65533"}' \
    policy-server="$(command -v policy-server)" "${entries[@]}"
rm -r "$work"

start_registry
printf '{"insecure_sources": ["%s"]}\n' "$registry" >"$state/sources.yml"
kwctl push --sources-path "$state/sources.yml" "$repository/annotated-policy.wasm" "$module" >/dev/null

helm upgrade --install --wait --namespace kubewarden --create-namespace kubewarden-crds "$charts/kubewarden-crds"
helm upgrade --install --wait --namespace kubewarden "${controller[@]}"
helm upgrade --install --wait --namespace kubewarden "${defaults[@]}"
printf 'export KUBEWARDEN_MODULE=registry://%s\n' "$module"
