#!/bin/sh
# postStart hook: waits until the secrets files exist, then runs the container's own hook.
#
#   wait-for-secrets.sh SECONDS FILE... [-- COMMAND [ARGUMENT...]]
#
# Fails when a file has not come within SECONDS, so that the kubelet restarts the container.

seconds=$1
shift
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    until [ -e "$1" ]; do
        if [ "$seconds" -le 0 ]; then
            echo "tvsi: the secrets file $1 did not come in time" >&2
            exit 1
        fi
        seconds=$((seconds - 1))
        sleep 1
    done
    shift
done
[ $# -gt 1 ] || exit 0
shift
exec "$@"
