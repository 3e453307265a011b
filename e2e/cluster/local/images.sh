#!/usr/bin/env bash
# Makes the images that pods in the cluster use, of busybox and the programs on PATH, and brings them into the node's
# containerd.
set -euo pipefail
# shellcheck source=e2e/cluster/local/image.sh
. "$(dirname "$0")/image.sh"

# The image that the policy has for a program by default, by the setting's name, as containerd calls it.
default_image() {
    local name
    name=$(sed --quiet "s/^| \`$1\.image\` | \`\([^\`]*\)\`.*/\1/p" "$repository/docs/settings.md")
    case $name in
    */*) printf 'docker.io/%s' "$name" ;;
    *) printf 'docker.io/library/%s' "$name" ;;
    esac
}

base
# The first process of each pod. Where containers share its process namespace, it is also the parent of processes that
# lost theirs: a shell that waits, waits for those too.
image localhost/pause:local '{"Cmd": ["sh", "-c", "trap exit TERM; while :; do sleep 86400 & wait; done"]}'
image "$(default_image envShell)" '{"Cmd": ["sh"]}'
image "$(default_image agent)" '{"Cmd": ["vault", "server", "-dev"]}' bin/vault="$(command -v vault)"
image "$(default_image consulTemplate)" '{"Cmd": ["consul-template"]}' bin/consul-template="$(command -v consul-template)"
image "$(default_image jobBabysitter)" '{"Cmd": ["kubectl"]}' bin/kubectl="$(command -v kubectl)"
if command -v bao >/dev/null; then
    openbao=$(sed --quiet 's/^ *image: //p' "$repository/deploy/overlays/openbao/settings.yaml")
    image "docker.io/$openbao" '{"Cmd": ["bao", "server", "-dev"]}' bin/bao="$(command -v bao)" 'bin/vault=>bao'
fi
rm -r "$work"
