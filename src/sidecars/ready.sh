#!/bin/sh
# Startup probe of a native sidecar: what the application needs from it is there.
#
#   ready.sh TOKEN PORT [FILE...]
#
# TOKEN  file that must not be empty; empty where none is waited for
# PORT   port that must be listened on at 127.0.0.1; empty where none is waited for
# FILE   secrets file that must exist

token=$1 port=$2
shift 2

[ -z "$token" ] || [ -s "$token" ] || exit 1
for file in "$@"; do
    [ -e "$file" ] || exit 1
done
[ -n "$port" ] || exit 0
# Local address (in the order of the machine's bytes), port, any remote end, and the state LISTEN.
port=$(printf %04X "$port")
grep -Eq "^ *[0-9]+: (0100007F|7F000001):$port [0-9A-F:]+ 0A " /proc/net/tcp
