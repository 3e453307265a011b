#!/bin/sh
# Waits until every container of the job has ended for good, then signals the other sidecars.
#
#   job-babysitter.sh SIGNAL CONTAINER=POLICY...
#
# SIGNAL  file to create when the job is done
# POLICY  Never: ended whatever its status; OnFailure: ended with status 0, for it is started again
#         after any other
#
# Reads its own pod ($POD_NAMESPACE/$POD_NAME) from the API server every two seconds, whether or not the
# API server has answered before. Ends with 0, because by then the job's work is done.

signal=$1
shift

trap 'exit 0' TERM INT

# One line `NAME EXIT-CODE` for each terminated container. The raw request needs no discovery, which
# kubectl would otherwise repeat each time, having no place to cache it. A --request-timeout, as any
# option for the connection, would make kubectl forget that it is in a cluster.
terminated() {
    pod=$(timeout 10 kubectl get --raw "/api/v1/namespaces/$POD_NAMESPACE/pods/$POD_NAME") || return
    lines='{range .status.containerStatuses[*]}{.name}{" "}{.state.terminated.exitCode}{"\n"}{end}'
    printf '%s' "$pod" | kubectl label --local -f - tvsi-read=locally --overwrite -o "jsonpath=$lines"
}

# True when all of CONTAINER=POLICY... are among the terminated, whose lines are in $states.
all_ended() {
    for container in "$@"; do
        name=${container%%=*}
        policy=${container#*=}
        code=$(printf '%s\n' "$states" | while read -r state_name state_code; do
            [ "$state_name" != "$name" ] || echo "$state_code"
        done)
        case $policy:$code in
        *: | OnFailure:*[!0]*) return 1 ;;
        esac
    done
}

until states=$(terminated) && all_ended "$@"; do
    sleep 2 &
    wait $!
done
echo "tvsi: the job is done" >&2
until echo "done" >"$signal"; do sleep 1; done
