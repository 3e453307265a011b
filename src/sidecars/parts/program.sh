# Part of each script that runs a program as its container's main process: ends that program in order.
#
# The script sets $role, which its messages begin with, and $token, the file with the Vault token, and traps
# signals itself. Its program is $program, or the last process that it has started in the background if that is not
# $previous, which it has set when there was no program.

# The first process of a container ignores what it has no trap for: what comes until the script has its
# own traps is kept until then, when it sends itself TERM.
told=
trap 'told=yes' TERM INT

program= previous= watcher= teller=

# Without a job to end with, no program is started again.
starts_again() { false; }

log() { echo "tvsi: $role: $*" >&2; }

# Reads the token into $current; fails where there is none.
read_token() {
    current=$(cat "$token" 2>/dev/null)
    [ -n "$current" ]
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

stop_watching() {
    for process in $watcher $teller; do
        kill -KILL "$process" 2>/dev/null
    done
}

stop_program() {
    stop_watching
    # A signal may come between the start of the program and the assignment of its process id.
    program=${program:-$!}
    [ "$program" != "$previous" ] || return
    kill -TERM "$program" 2>/dev/null
    # What is still to become the program has the traps of this shell for a moment, and loses it.
    (sleep 1 && kill -TERM "$program") >/dev/null 2>&1 &
    teller=$!
    wait_or_kill "$program" 5
    kill -KILL "$teller" 2>/dev/null
}
