# Part of each script that runs a program as its container's main process: ends that program in order.
#
# The script sets $role, which its messages begin with, and $token, the file with the Vault token, and traps
# signals itself. Its program is the last process that it has started in the background, or $program.

# The first process of a container ignores what it has no trap for: what comes until the script has its
# own traps is kept until then.
told=
trap 'told=yes' TERM INT

program=
watcher=
teller=

log() { echo "tvsi: $role: $*" >&2; }

# Reads the token into $current. The file has no line break at its end, at which `read` fails.
read_token() {
    current=
    [ ! -s "$token" ] || read -r current <"$token" || :
}

# Sends process $1 signal $2 after $3 seconds.
send_later() { (sleep "$3" && kill "-$2" "$1") >/dev/null 2>&1 & }

# Waits for process $1, which gets 5 seconds before it is killed, and returns its status.
wait_or_kill() {
    send_later "$1" KILL 5
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
    # A signal may come between the start of the program and the assignment of its process id. Where nothing
    # else was started, it is the watcher, which has been killed.
    program=${program:-$!}
    [ -n "$program" ] || return
    kill -TERM "$program" 2>/dev/null
    # What is still to become the program has the traps of this shell for a moment, and loses it.
    send_later "$program" TERM 1
    teller=$!
    wait_or_kill "$program"
    kill -KILL "$teller" 2>/dev/null
}
