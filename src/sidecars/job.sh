#!/bin/sh
# What the scripts of both sidecars do besides where they end with a job: they come to their end when the file $signal is
# there. Until then the program is started again when it ends: a container that fails would fail a job whose work was done.
#
# Comes in TVSI_JOB, and is run by those scripts with eval, as their own: $status is the program's.
# shellcheck disable=SC2034,SC2154 # variables of those scripts

unset TVSI_JOB
trap 'end "the job is done" 0' USR1
(until [ -e "$signal" ]; do sleep 1; done && kill -USR1 $$) >/dev/null 2>&1 &
watcher=$!
previous=$!

pause=1
started=$(date +%s)

# Waits until the program is to be started again: longer each time, unless it has run for more than a minute.
starts_again() {
    [ $(($(date +%s) - started)) -le 60 ] || pause=1
    log "ended with status $status; starting again in $pause s"
    sleep "$pause" >/dev/null 2>&1 &
    previous=$!
    wait "$previous"
    pause=$((pause < 16 ? pause * 2 : 30))
    started=$(date +%s)
}
