#!/bin/sh
# Puts what gives the application's containers their secrets as variables where they find it: this image's static
# busybox, env.sh, and the names that no secret may have.
#
#   env-init.sh SOURCE DIRECTORY NAME-PATTERNS
#
# The text of env.sh comes in TVSI_ENV_SCRIPT. It writes DIRECTORY/busybox, DIRECTORY/env.sh and
# DIRECTORY/denied-names, with the patterns, which spaces separate. Each is put in place as a whole: it may be in use
# when this container runs again.

busybox=$1 directory=$2
shift 2

# Puts DIRECTORY/$1.new in place, with mode $2.
put() { chmod "$2" "$directory/$1.new" && mv "$directory/$1.new" "$directory/$1"; }

cp "$busybox" "$directory/busybox.new" && put busybox 755 || exit
printf '%s\n' "$@" >"$directory/denied-names.new" && put denied-names 644 || exit
printf '%s' "${TVSI_ENV_SCRIPT:?}" >"$directory/env.sh.new" && put env.sh 644
