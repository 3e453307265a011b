#!/usr/bin/env bash
# Makes the images that pods in the cluster use, of busybox and the programs on PATH, and brings them into the node's
# containerd.
set -euo pipefail
# shellcheck source=e2e/cluster/local/image.sh
. "$(dirname "$0")/image.sh"

# The image that the policy has for a program by default, by the setting's name, as containerd calls it.
default_image() {
    local name
    name=$(sed --quiet "s/^| \`$1\.image\` | \`\([^\`]*\)\`.*/\1/p" "$repository/docs/reference/settings.md")
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
# Images that name their program themselves.
# shellcheck disable=SC2016 # for the shells in the images
if command -v docker-registry >/dev/null; then
    start_registry
    pushed test/entrypoint:1 '{"Entrypoint": ["/bin/env"]}'
    pushed test/cmd:1 '{"Cmd": ["/bin/sh", "-c", "exec /bin/env"]}'
    pushed test/both:1 '{"Entrypoint": ["/bin/sh", "-c", "echo \"$0 $*\"; exec /bin/env"], "Cmd": ["$(A)", "two  words"]}'
    # The shell form of a Dockerfile.
    pushed test/shell:1 '{"Entrypoint": ["/bin/sh", "-c", "exec env"]}'
    pushed test/user:1 '{"Cmd": ["env"], "User": "4711:4711", "WorkingDir": "/tmp"}'
    base=nothing pushed test/distroless:1 '{"Entrypoint": ["/env"], "User": "65532:65532"}' env="$(command -v busybox)"
    pushed test/serve:1 '{"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["trap \"exit 0\" TERM; echo \"app: $V\"; sleep 1000 & wait"]}'
fi
rm -r "$work"
