#!/bin/sh
# Runs Consul Template as this container's main process and ends it in order.
#
#   consul-template.sh TOKEN [SIGNAL]
#
# TOKEN   file the agent writes its Vault token to
# SIGNAL  file that says that the job is done, with job.sh in TVSI_JOB; none where no job is awaited
#
# The configuration arrives in TVSI_CONSUL_TEMPLATE_CONFIG, and Consul Template takes it from a file only:
# it reads it as /dev/fd/3, from a file in $HOME that has no name any more, where nothing could change it.
# Ends with Consul Template's own status, or with 0 after a TERM or the job's end; until a job's end a Consul
# Template that ends is started again.

. ../parts/program.sh

# shellcheck disable=SC2034 # signal is for job.sh
role=consul-template token=$1 signal=$2

# shellcheck disable=SC2317 # called by a trap
end() {
    trap '' TERM INT USR1
    log "$1"
    stop_program
    exit 0
}

trap 'end "received a signal to stop"' TERM INT
[ -z "$told" ] || kill $$

config=$HOME/consul-template.json
rm -f "$config"
(umask 377 && printf '%s' "$TVSI_CONSUL_TEMPLATE_CONFIG" >"$config") || exit
unset TVSI_CONSUL_TEMPLATE_CONFIG
exec 3<"$config"
rm "$config" || exit

eval "$TVSI_JOB"

while :; do
    # It reads the token file once, at its start: without a token then, it never has one.
    until read_token; do sleep 1; done
    known=$current
    consul-template -config /dev/fd/3 &
    program=$!
    # Ends it when there is another token: the leases of the old one end with it, and Consul Template
    # would renew them only after half of their time or more.
    (
        while sleep 1 && kill -0 "$program" 2>/dev/null; do
            if read_token && [ "$current" != "$known" ]; then
                log "there is a new token"
                kill -TERM "$program"
                break
            fi
        done
    ) >/dev/null &
    teller=$!
    wait "$program"
    status=$? previous=$! program=
    kill -KILL "$teller" 2>/dev/null
    teller=
    # It received TERM (143 before it has got ready for that), perhaps directly.
    case $status in
    12 | 143)
        read_token
        [ "$current" = "$known" ] || continue
        ;;
    esac
    starts_again || break
done
# From here on, a signal does not change how it ends.
trap '' TERM INT USR1
stop_watching
# Consul Template's status for a TERM sent to it directly, which is not a failure.
[ "$status" -ne 12 ] || status=0
log "ended with status $status"
exit "$status"
