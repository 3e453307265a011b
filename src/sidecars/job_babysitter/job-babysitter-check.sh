#!/bin/sh
# Checks, before any work begins, that the job's babysitter may read its own pod.
#
#   job-babysitter-check.sh [TERMINATION-LOG]
#
# After a rejection it tries again for half a minute, because a RoleBinding may be new. Then it fails, and the
# termination message says what is missing. If the API server does not answer for as long, the job begins
# without the check: in a service mesh, an init container may have no network yet.

termination_log=${1:-/dev/termination-log}
rejected=0
unanswered=0

trap 'exit 143' TERM INT

fail() {
    echo "tvsi: $1" >&2
    printf '%s\n' "$1" >"$termination_log"
    exit 1
}

while :; do
    answer=$(timeout 10 kubectl get --raw "/api/v1/namespaces/$POD_NAMESPACE/pods/$POD_NAME" 2>&1) && exit 0
    status=$?
    answer=${answer:-no answer within 10 s}
    echo "tvsi: $answer" >&2
    case $status:$answer in
    12[67]:*) fail "the image needs kubectl and timeout, for mode job: $answer" ;;
    *Forbidden*)
        rejected=$((rejected + 2))
        [ "$rejected" -lt 30 ] || fail "service account $POD_SERVICE_ACCOUNT may not get pods in namespace $POD_NAMESPACE, which mode job needs: bind it to a Role with verb get on pods, or use native sidecars (annotation sidecars)"
        ;;
    *)
        # In seconds; timeout has a status of its own for a kubectl that it has ended.
        unanswered=$((unanswered + (status < 124 ? 2 : 12)))
        if [ "$unanswered" -ge 30 ] && [ "$rejected" -eq 0 ]; then
            echo "tvsi: the API server did not answer; the job begins without the check: $answer" >&2
            exit 0
        fi
        ;;
    esac
    sleep 2 &
    wait $!
done
