#!/bin/sh
# Runs the application's notify command after a file has changed.
#
#   notify.sh COMMAND [SECONDS]
#
# Comes in TVSI_NOTIFY, which the command does not get. Always ends with 0 and within SECONDS (default
# 25): a failing command, or one that takes longer than the 30 s given to it, would end Consul Template,
# and each restart takes new leases.

seconds=${2:-25}
unset TVSI_NOTIFY

# In a session of its own the command can be stopped with all that it has started.
if command -v setsid >/dev/null 2>&1; then
    setsid sh -c "$1" &
    group=-$!
else
    sh -c "$1" &
    group=$!
fi
command=$!
# Once it has begun to end the command, it ignores TERM: some of the command may do so too.
(
    sleep "$seconds" && trap '' TERM && kill -TERM "$group"
    sleep 2
    kill -KILL "$group"
) >/dev/null 2>&1 &
timer=$!

wait "$command"
status=$?
kill -TERM "$timer" 2>/dev/null
[ "$status" -eq 0 ] || echo "tvsi: notify: the command ended with status $status" >&2
exit 0
