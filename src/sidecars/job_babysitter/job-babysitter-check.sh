#!/bin/sh
# Checks, before any work begins, that the job's babysitter may read its own pod.
#
#   job-babysitter-check.sh [TERMINATION-LOG]
#
# A rejection is asked again for half a minute, because a RoleBinding may be new; an API server that
# does not answer, for two minutes. Then it fails, and the termination message says what is missing.

termination_log=${1:-/dev/termination-log}
rejected=0
unanswered=0

trap 'exit 143' TERM INT

fail() {
    echo "tvsi: $1" >&2
    printf '%s\n' "$1" >"$termination_log"
    exit 1
}

until answer=$(timeout 10 kubectl get --raw "/api/v1/namespaces/$POD_NAMESPACE/pods/$POD_NAME" 2>&1); do
    echo "tvsi: $answer" >&2
    case $answer in
    *Forbidden*)
        rejected=$((rejected + 1))
        [ "$rejected" -lt 15 ] || fail "service account $POD_SERVICE_ACCOUNT may not get pods in namespace $POD_NAMESPACE, which mode job needs: bind it to a Role with verb get on pods, or use native sidecars"
        ;;
    *)
        unanswered=$((unanswered + 1))
        [ "$unanswered" -lt 60 ] || fail "the API server did not tell the state of pod $POD_NAMESPACE/$POD_NAME, which mode job needs: $answer"
        ;;
    esac
    sleep 2 &
    wait $!
done
