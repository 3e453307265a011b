#!/bin/sh
# Runs Vault Agent or Consul Template as this container's main process and ends it in order.
#
#   sidecar.sh agent           GRACE SIGNAL TOKEN PROGRAM [ARGUMENT...]
#   sidecar.sh agent-init      GRACE SIGNAL TOKEN PROGRAM [ARGUMENT...]
#   sidecar.sh consul-template GRACE SIGNAL TOKEN PROGRAM [ARGUMENT...]
#
# GRACE   seconds between TERM and the end of the program, so that the application can drain
# SIGNAL  file that says that the job is done; empty where no job is awaited
# TOKEN   file the agent writes its Vault token to
#
# The configuration arrives in TVSI_AGENT_CONFIG, which the agent reads from its standard input, or in
# TVSI_CONSUL_TEMPLATE_CONFIG, which Consul Template takes from a file only: it reads it as /dev/fd/3,
# from a file in $HOME that has no name any more. Neither is where something could change it. Ends with
# the program's own status, or with 0 when it was told to end. The token file is never removed or
# emptied: Consul Template would not recover. agent-init fetches secrets once: it revokes its token when
# the program has ended, and is no success when it was told to end before.

# The first process of a container ignores what it has no trap for: what comes until the traps below can
# run is kept until then.
told=
trap 'told=yes' TERM INT

role=$1 grace=$2 signal=$3 token=$4
shift 4

program=
watcher=
teller=

log() { echo "tvsi: $*" >&2; }

# Runs a command so that signals are heard meanwhile, and returns its status.
run() {
    program=
    "$@" &
    program=$!
    wait "$program"
}

# The same for the agent, with its configuration.
run_agent() {
    program=
    printf '%s' "$config" | "$@" &
    program=$!
    wait "$program"
}

# The same for Consul Template, which is to end when the agent has logged in again: the old token takes its
# leases with it, and Consul Template would not ask for others before half of their time or more is over.
run_until_new_token() {
    read_token
    known=$current
    program=
    "$@" &
    program=$!
    (await_new_token "$program") >/dev/null &
    teller=$!
    wait "$program"
    set -- $?
    kill -KILL "$teller" 2>/dev/null
    teller=
    return "$1"
}

# Ends process $1 when there is another token than $known.
await_new_token() {
    while sleep 1 && kill -0 "$1" 2>/dev/null; do
        read_token
        case $current in
        '' | "$known") continue ;;
        esac
        log "$role: there is a new token"
        kill -TERM "$1"
        return
    done
}

# Reads the token into $current. The file has no line break at its end, at which `read` fails.
read_token() {
    current=
    [ ! -s "$token" ] || read -r current <"$token" || :
}

# Waits for process $1, which gets $2 seconds before it is killed, and returns its status.
wait_or_kill() {
    (sleep "$2" && kill -KILL "$1") >/dev/null 2>&1 &
    killer=$!
    wait "$1"
    set -- $?
    kill -KILL "$killer" 2>/dev/null
    return "$1"
}

revoke() {
    read_token
    [ -n "$current" ] || return
    VAULT_TOKEN=$current VAULT_CLIENT_TIMEOUT=4s VAULT_MAX_RETRIES=1 vault token revoke -self >&2 &
    wait_or_kill $! 5 || log "$role: could not revoke the token; it ends with its TTL"
}

stop_watching() {
    for process in $watcher $teller; do
        kill -KILL "$process" 2>/dev/null
    done
}

# shellcheck disable=SC2317 # called by a trap
end() {
    trap '' TERM INT USR1
    log "$role: $1"
    [ "$2" -eq 0 ] || sleep "$2"
    stop_watching
    # A signal may come between the start of the program and the assignment of its process id.
    [ -n "$program" ] || [ "$!" = "$watcher" ] || program=$!
    if [ -n "$program" ]; then
        kill -TERM "$program" 2>/dev/null
        # What is still to become the program has the traps of this shell for a moment, and loses it.
        (sleep 1 && kill -TERM "$program") >/dev/null 2>&1 &
        set -- $!
        wait_or_kill "$program" 5
        kill -KILL "$1" 2>/dev/null
    fi
    [ "$role" = consul-template ] || revoke
    [ "$role" != agent-init ] || exit 143
    exit 0
}

trap 'end "told to stop" "$grace"' TERM INT
trap 'end "the job is done" 0' USR1

[ -z "$told" ] || end "told to stop" "$grace"

case $role in
agent | agent-init)
    config=$TVSI_AGENT_CONFIG
    unset TVSI_AGENT_CONFIG
    (umask 077 && mkdir -p "${token%/*}") || exit
    # What an earlier run has left is no login of this one, and nobody else reads it.
    [ "$role" != agent-init ] || rm -f "$token"
    ;;
consul-template)
    rm -f "$HOME/consul-template.json"
    (umask 377 && printf '%s' "$TVSI_CONSUL_TEMPLATE_CONFIG" >"$HOME/consul-template.json") || exit
    unset TVSI_CONSUL_TEMPLATE_CONFIG
    exec 3<"$HOME/consul-template.json"
    rm "$HOME/consul-template.json" || exit
    ;;
esac

if [ -n "$signal" ]; then
    (until [ -e "$signal" ]; do sleep 1; done && kill -USR1 $$) >/dev/null 2>&1 &
    watcher=$!
fi

if [ "$role" = consul-template ]; then
    # It reads the token file once, at its start: without a token then, it never has one.
    until [ -s "$token" ]; do sleep 1; done
    while
        run_until_new_token "$@"
        status=$?
        read_token
        # It was told to end (143 before it has got ready for that), and not by TERM sent to it directly.
        case $status in
        12 | 143) [ "$current" != "$known" ] ;;
        *) false ;;
        esac
    do :; done
else
    run_agent "$@"
    status=$?
fi
# Vault may be away for a moment, and a pod that is not restarted would be lost: a login is tried again,
# for half a minute.
pause=1
while [ "$role" = agent-init ] && [ "$status" -ne 0 ] && [ ! -s "$token" ] && [ "$pause" -le 16 ]; do
    log "$role: no login; trying again in $pause s"
    run sleep "$pause"
    pause=$((pause * 2))
    run_agent "$@"
    status=$?
done
# Its end is not to be changed any more by being told to stop.
trap '' TERM INT USR1
stop_watching
# Consul Template's status for a TERM sent to it directly, which is no failure.
[ "$role" != consul-template ] || [ "$status" -ne 12 ] || status=0
log "$role: ended with status $status"
[ "$role" != agent-init ] || revoke
exit "$status"
