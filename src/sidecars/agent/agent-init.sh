#!/bin/sh
# Runs Vault Agent as this init container's main process, to fetch secrets once, and revokes its token.
#
#   agent-init.sh TOKEN
#
# TOKEN  file the agent writes its Vault token to
#
# The configuration arrives as in agent.sh, and variables.sh in TVSI_SHOW where it is needed. Ends with the
# agent's own status, or with 143 after a TERM before that, which is not a success.

. ../parts/program.sh
. ../parts/revoke.sh

role=agent-init token=$1

# shellcheck disable=SC2317 # called by a trap
end() {
    trap '' TERM INT
    log "received a signal to stop"
    stop_program
    revoke
    exit 143
}

trap end TERM INT
[ -z "$told" ] || kill $$

config=$TVSI_AGENT_CONFIG file=${TVSI_AGENT_CONFIG_FILE:-/dev/stdin}
unset TVSI_AGENT_CONFIG TVSI_AGENT_CONFIG_FILE
reader=
(umask 077 && mkdir -p "${token%/*}") || exit
# What an earlier run has left is not a login of this one, and nobody else reads it.
rm -f "$token"

start() { printf '%s' "$config" | vault agent -config "$file" & }

# Another start, which shows what needs a path that cannot be read.
eval "$TVSI_SHOW"

# Vault may be away for a moment, and a pod that is not restarted would be lost: a login is tried again,
# for half a minute.
pause=1
while
    start
    wait $!
    status=$?
    [ -z "$reader" ] || wait_or_kill "$reader" 2
    [ "$status" -ne 0 ] && [ ! -s "$token" ] && [ "$pause" -le 16 ]
do
    log "no login; trying again in $pause s"
    sleep "$pause" &
    wait $!
    pause=$((pause * 2))
done
# From here on, a signal does not change how it ends.
trap '' TERM INT
log "ended with status $status"
revoke
exit "$status"
