# Part of both sidecars' scripts: ends the sidecar when the job is done, which the file $signal says. Until then the
# program is started again when it ends: a container that fails would fail a job whose work was done.

trap 'end "the job is done" 0' USR1
if [ -n "$signal" ]; then
    (until [ -e "$signal" ]; do sleep 1; done && kill -USR1 $$) >/dev/null 2>&1 &
    watcher=$!
fi
previous=$!

pause=1

# Waits until the program is to be started again, which was started at $started and has ended with $status: longer
# each time, unless it has run for more than a minute.
pause_before_next_start() {
    [ $(($(date +%s) - started)) -le 60 ] || pause=1
    log "ended with status $status; starting again in $pause s"
    sleep "$pause" >/dev/null 2>&1 &
    previous=$!
    wait "$previous"
    pause=$((pause < 16 ? pause * 2 : 30))
}
