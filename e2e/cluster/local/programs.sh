#!/usr/bin/env bash
# Builds the programs of a cluster from their Go modules, one after another, into a folder.
#
#     programs.sh BIN [MODULES...]
#
# Each folder of programs/ is a module whose go.mod says what is built of it, and its version; the versions of all that
# it needs follow from that. One module for all of them cannot be: they need different versions of the same modules.
# What is on PATH, or was built already from the same go.mod, is not built again.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$(mkdir -p "$1" && cd "$1" && pwd)
shift
export GOFLAGS='-mod=mod -buildvcs=false -trimpath'

if ! command -v go >/dev/null || ! command -v jq >/dev/null; then
    printf 'Building the programs requires go (https://go.dev/dl) and jq.\n' >&2
    exit 2
fi

# What a module is built with: Kubernetes' programs compare the versions that they report, and only runc needs C.
options() {
    local module=$1 version=$2 minor set=
    case $module in
    kubernetes)
        minor=${version#v1.}
        for field in "gitVersion=$version" gitMajor=1 "gitMinor=${minor%%.*}"; do
            set+=" -X k8s.io/component-base/version.$field"
        done
        ;;
    containerd) set=" -X github.com/containerd/containerd/v2/version.Version=$version" ;;
    runc)
        if ! pkg-config --exists libseccomp; then
            printf 'runc needs a C compiler, pkg-config and libseccomp-dev.\n' >&2
            return 1
        fi
        set=" -X main.version=${version#v}"
        printf '%s\n' -tags=seccomp
        ;;
    esac
    printf '%s\n' -ldflags "-s -w$set"
}

# The program's name, which for a module of a major version is not the last part of its path.
name() {
    case $1 in
    go.etcd.io/etcd/server/v3) echo etcd ;;
    *) basename "$1" ;;
    esac
}

build() {
    local module=$1 source=$here/programs/$1/go.mod folder=$bin/../programs/$1 version packages package program started options
    mkdir -p "$folder"
    cd "$folder"
    if ! cmp -s "$source" made-from; then
        rm -f go.sum made-from
        cp "$source" go.mod
    fi
    version=$(go mod edit -json | jq -r '.Require[0].Version')
    CGO_ENABLED=0
    if [ "$module" = runc ]; then
        CGO_ENABLED=1
    fi
    export CGO_ENABLED
    mapfile -t packages < <(go mod edit -json | jq -r '.Tool[].Path')
    for package in "${packages[@]}"; do
        program=$(name "$package")
        if [ -e made-from ] && [ -e "$bin/$program" ]; then
            continue
        fi
        # A program of iproute2 is called bridge too.
        if [ "$module" != cni-plugins ] && PATH=${PATH//$bin:/} command -v "$program" >/dev/null; then
            printf '%s is on PATH\n' "$program"
            continue
        fi
        rm -f "$bin/$program"
        printf '%s %s: ' "$program" "$version"
        started=$SECONDS
        options=$(options "$module" "$version")
        mapfile -t options <<<"$options"
        if ! go build "${options[@]}" -o "$bin/$program" "$package" 2>build.log; then
            printf 'failed\n' >&2
            cat build.log >&2
            return 1
        fi
        printf 'built in %s s\n' $((SECONDS - started))
    done
    cp "$source" made-from
}

if [ $# -eq 0 ]; then
    cd "$here/programs"
    set -- *
fi
for module; do
    (build "$module")
done
