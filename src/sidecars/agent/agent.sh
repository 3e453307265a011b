#!/bin/sh
# Runs Vault Agent as this container's main process and ends it in order.
#
#   agent.sh TOKEN GRACE [SIGNAL]
#
# TOKEN   file the agent writes its Vault token to
# GRACE   seconds between TERM and the end of the agent, so that the application can drain
# SIGNAL  file that says that the job is done, with job.sh in TVSI_JOB; none where no job is awaited
#
# The configuration arrives in TVSI_AGENT_CONFIG, and the agent reads it from its standard input, where
# nothing could change it; or it is in the file that TVSI_AGENT_CONFIG_FILE names. Ends with the agent's own
# status, or with 0 after a TERM or the job's end; until a job's end an agent that ends is started again, and
# logs in anew. The token file is never removed or emptied: Consul Template would not recover.

. ../parts/program.sh
. ../parts/revoke.sh

# shellcheck disable=SC2034 # signal is for job.sh
role=agent token=$1 grace=$2 signal=$3

# shellcheck disable=SC2317 # called by a trap
end() {
    trap '' TERM INT USR1
    log "$1"
    [ "$2" -eq 0 ] || sleep "$2"
    stop_program
    revoke
    exit 0
}

trap 'end "received a signal to stop" "$grace"' TERM INT
[ -z "$told" ] || kill $$

config=$TVSI_AGENT_CONFIG file=${TVSI_AGENT_CONFIG_FILE:-/dev/stdin}
unset TVSI_AGENT_CONFIG TVSI_AGENT_CONFIG_FILE

eval "$TVSI_JOB"

while
    printf '%s' "$config" | vault agent -config "$file" &
    wait $!
    status=$? previous=$!
    starts_again
do :; done
# From here on, a signal does not change how it ends.
trap '' TERM INT USR1
stop_watching
log "ended with status $status"
exit "$status"
