# Part of both sidecars' scripts: ends the sidecar when the job is done, which the file $signal says.

trap 'end "the job is done" 0' USR1
if [ -n "$signal" ]; then
    (until [ -e "$signal" ]; do sleep 1; done && kill -USR1 $$) >/dev/null 2>&1 &
    watcher=$!
fi
