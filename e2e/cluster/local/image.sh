# shellcheck shell=bash
# How images are made: of a busybox and of programs of this machine. Nothing is pulled.

# shellcheck source=e2e/cluster/local/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# What containerd, at the socket, gets them from.
socket=/proc/$(pgrep --parent "$(node_process)")/root/run/containerd/containerd.sock
work=$state/images
case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) architecture=$(uname -m) ;;
esac
owned=(--owner=0 --group=0 --numeric-owner)

# As in Alpine's images: busybox in /bin, and a link to it for each of its programs. And the users of Vault's and
# OpenBao's images.
base() {
    local root=$work/root applet
    rm -rf "$work"
    mkdir -p "$root"/{bin,etc/ssl/certs,home/vault,home/openbao,root,tmp,usr/bin,var/run}
    cp --dereference "$(command -v busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
vault:x:100:1000:vault:/home/vault:/bin/sh
openbao:x:100:1000:openbao:/home/openbao:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
END
    printf '%s\n' root:x:0: vault:x:1000: openbao:x:1000: nobody:x:65534: >"$root/etc/group"
    chmod -R u=rwX,go=rX "$root"
    chmod 1777 "$root/tmp"
    chown -R 100:1000 "$root/home/vault" "$root/home/openbao"
    tar --create --file "$work/base.tar" --numeric-owner --directory "$root" .
    # Of an image that has its program and nothing else.
    tar --create --file "$work/nothing.tar" --numeric-owner --directory "$root" ./tmp
}

# Starts the registry, without TLS. It ends with the cluster: its process number is where down.sh looks.
registry=10.200.0.1:5000
start_registry() {
    local process
    if process=$(cat "$state/registry-process" 2>/dev/null) && kill -0 "$process" 2>/dev/null; then
        return
    fi
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$state/registry OTEL_TRACES_EXPORTER=none \
        setsid docker-registry serve "$here/config/registry.yml" </dev/null >"$logs/registry.log" 2>&1 &
    process=$!
    printf '%s\n' "$process" >"$state/registry-process"
    until (: <"/dev/tcp/${registry/://}") 2>/dev/null; do
        kill -0 "$process"
        sleep 0.1
    done
}

# pushed NAME CONFIG ENTRIES...: an image that the registry has too.
pushed() {
    image "$registry/$1" "${@:2}"
    ctr --address "$socket" --namespace k8s.io images push --plain-http "$registry/$1" >/dev/null
}

# image NAME CONFIG ENTRIES...: brings an image of one layer into containerd. CONFIG is part of its configuration, as Cmd
# and User; it begins with what $base names. An entry is PATH=FILE for a file of this machine, or PATH=>TARGET for a link.
image() {
    local name=$1 config=$2 entry path file
    cp "$work/${base:-base}.tar" "$work/layer.tar"
    for entry in "${@:3}"; do
        path=${entry%%=*} file=${entry#*=}
        if [[ $file == '>'* ]]; then
            rm -f "$work/link"
            ln -s "${file#>}" "$work/link"
            file=$work/link
        else
            file=$(realpath "$file")
        fi
        tar --append --file "$work/layer.tar" "${owned[@]}" --mode=0755 --transform "s|.*|$path|S" \
            --directory "${file%/*}" "${file##*/}"
    done
    jq --null-input --arg digest "$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)" --argjson config "$config" --arg architecture "$architecture" '{
        architecture: $architecture, os: "linux", rootfs: {type: "layers", diff_ids: ["sha256:\($digest)"]},
        config: ({Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]} + $config)
    }' >"$work/config.json"
    jq --null-input --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' \
        >"$work/manifest.json"
    tar --create --directory "$work" manifest.json config.json layer.tar |
        ctr --address "$socket" --namespace k8s.io images import - >/dev/null
}
