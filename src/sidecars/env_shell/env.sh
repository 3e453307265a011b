#!/bin/sh
# Starts the application, or a probe or hook of its container, with the secrets in its environment.
#
#   busybox sh env.sh [-r] [-w SECONDS] [-s SECONDS] [-f FILE]... [FILE]... -- COMMAND [ARGUMENT...]
#
# -r  fails where a variable still refers to Vault that no FILE has a value for
# -w  waits so long for files that are not there yet
# -s  stays, and ends COMMAND when a file has changed: with TERM, and after SECONDS with KILL
# -f  a file to wait for and to watch, and not to read
#
# A line NAME=VALUE of a FILE becomes a variable, unless NAME cannot be one or is like one of the patterns
# in denied-names; a line that begins with the byte 1 goes on with the value above it. Nothing is evaluated and
# no value is shown. COMMAND runs as it would without this script, except for the variables. Beside this file are
# denied-names and the busybox that runs it. Its own variables begin with _tvsi_, for the application's are
# exported here too.
# shellcheck disable=SC3038,SC3045 # busybox has exec -a and read -d

set -f

tvsi_log() { echo "tvsi: env: $*" >&2; }

_tvsi_home=${0%/*}
_tvsi_newline='
'
_tvsi_denied='_tvsi_*'
if [ ! -f "$_tvsi_home/denied-names" ] || [ ! -r "$_tvsi_home/denied-names" ]; then
    tvsi_log "$_tvsi_home/denied-names is not there"
    exit 1
fi
while IFS= read -r _tvsi_line || [ -n "$_tvsi_line" ]; do
    _tvsi_denied="$_tvsi_denied $_tvsi_line"
done <"$_tvsi_home/denied-names"

_tvsi_strict=
_tvsi_patience=0
_tvsi_grace=
_tvsi_watched=
while :; do
    case $1 in
    -r) _tvsi_strict=yes ;;
    -w) _tvsi_patience=$2 && shift ;;
    -s) _tvsi_grace=$2 && shift ;;
    -f) _tvsi_watched=$_tvsi_watched$2$_tvsi_newline && shift ;;
    *) break ;;
    esac
    shift
done

# Waits for the file $1, if there is time left.
tvsi_await() {
    while [ ! -f "$1" ] || [ ! -r "$1" ]; do
        if [ "$_tvsi_patience" -le 0 ]; then
            tvsi_log "the secrets file $1 is not there"
            exit 1
        fi
        # As the first process of a container, it is not ended by a signal otherwise.
        trap 'exit 143' TERM INT
        "$_tvsi_home/busybox" sleep 1 &
        wait $!
        _tvsi_patience=$((_tvsi_patience - 1))
    done
}

# Something that changes when one of the files does.
tvsi_state() {
    (
        IFS=$_tvsi_newline
        # shellcheck disable=SC2086 # a path in each line
        exec "$_tvsi_home/busybox" sha256sum $_tvsi_watched </dev/null
    )
}

_tvsi_ifs=$IFS
IFS=$_tvsi_newline
for _tvsi_line in $_tvsi_watched; do
    IFS=$_tvsi_ifs
    tvsi_await "$_tvsi_line"
done
IFS=$_tvsi_ifs

tvsi_is_allowed() {
    case $1 in
    '' | [0-9]* | *[!A-Za-z0-9_]*) return 1 ;;
    esac
    for _tvsi_pattern in $_tvsi_denied; do
        # shellcheck disable=SC2254 # a pattern
        case $1 in
        $_tvsi_pattern) return 1 ;;
        esac
    done
}

_tvsi_names=' '
tvsi_export() {
    if [ -n "$_tvsi_name" ]; then
        export "$_tvsi_name=$_tvsi_value"
        _tvsi_names="$_tvsi_names$_tvsi_name "
    fi
    _tvsi_name=
}

# The state is that of what is read, or of what was there before.
for _tvsi_line in "$@"; do
    [ "$_tvsi_line" != -- ] || break
    tvsi_await "$_tvsi_line"
    _tvsi_watched=$_tvsi_watched$_tvsi_line$_tvsi_newline
done
[ -z "$_tvsi_grace" ] || _tvsi_state=$(tvsi_state) || exit
trap - TERM INT

_tvsi_continued=$(printf '\001')
while [ "$1" != -- ]; do
    _tvsi_name=
    _tvsi_number=0
    while IFS= read -r _tvsi_line || [ -n "$_tvsi_line" ]; do
        _tvsi_number=$((_tvsi_number + 1))
        case $_tvsi_line in
        "$_tvsi_continued"*)
            _tvsi_value=$_tvsi_value$_tvsi_newline${_tvsi_line#?}
            continue
            ;;
        esac
        tvsi_export
        _tvsi_line=${_tvsi_line#"${_tvsi_line%%[!	 ]*}"}
        case $_tvsi_line in
        '' | '#'*) continue ;;
        *=*) _tvsi_name=${_tvsi_line%%=*} _tvsi_value=${_tvsi_line#*=} ;;
        *)
            tvsi_log "line $_tvsi_number of $1 is skipped: it is not NAME=VALUE"
            continue
            ;;
        esac
        if ! tvsi_is_allowed "$_tvsi_name"; then
            tvsi_log "line $_tvsi_number of $1 is skipped: its name is not allowed"
            _tvsi_name=
        fi
    done <"$1"
    tvsi_export
    shift
done
shift

# As the container runtime finds it: an applet of busybox's must not come first.
_tvsi_path=
case $1 in
*/*) _tvsi_path=$1 ;;
*)
    _tvsi_ifs=$IFS
    IFS=:
    for _tvsi_directory in $PATH; do
        _tvsi_directory=${_tvsi_directory:-.}
        if [ -f "$_tvsi_directory/$1" ] && [ -x "$_tvsi_directory/$1" ]; then
            _tvsi_path=$_tvsi_directory/$1
            break
        fi
    done
    IFS=$_tvsi_ifs
    ;;
esac
case $_tvsi_path in
'')
    tvsi_log "the command $1 is not in PATH"
    exit 127
    ;;
-*) _tvsi_path=./$_tvsi_path ;;
esac

# Whether the variable $1 with the value $2 refers to Vault, and no file has a value for it.
tvsi_is_left() {
    case $_tvsi_names in
    *" $1 "*) return 1 ;;
    esac
    # shellcheck disable=SC2016 # as it is
    case $2 in
    vault:*[#]* | bao:*[#]* | vault:v[0-9]*:* | bao:v[0-9]*:*) ;;
    [\>][\>]vault:* | [\>][\>]bao:*) ;;
    *'${vault:'* | *'${bao:'* | *'${>>vault:'* | *'${>>bao:'*) ;;
    *) return 1 ;;
    esac
}

# The shell drops variables whose names it cannot have, such as my.variable, and has its own ideas of some
# others: those go through env, with which the command's name becomes its path.
_tvsi_command=$1
_tvsi_has_pwd=
_tvsi_has_shlvl=
_tvsi_kept=
while IFS= read -r -d '' _tvsi_line; do
    _tvsi_name=${_tvsi_line%%=*}
    _tvsi_value=${_tvsi_line#*=}
    if [ -n "$_tvsi_strict" ] && tvsi_is_left "$_tvsi_name" "$_tvsi_value"; then
        tvsi_log "the variable $_tvsi_name refers to Vault and is not resolved: it comes from envFrom, valueFrom or the image, and must be a value in the manifest; or Vault has answered a write with nothing"
        exit 1
    fi
    case $_tvsi_name in
    PWD)
        _tvsi_has_pwd=yes
        [ "$_tvsi_value" != "$PWD" ] || continue
        ;;
    SHLVL) _tvsi_has_shlvl=yes ;;
    IFS | OPTIND | PPID | '' | [0-9]* | *[!A-Za-z0-9_]*) ;;
    *) continue ;;
    esac
    [ -n "$_tvsi_kept" ] || { shift && set -- "$_tvsi_path" "$@"; }
    _tvsi_kept=yes
    set -- "$_tvsi_line" "$@"
done <"/proc/$$/environ"
[ -n "$_tvsi_has_pwd" ] || unset PWD
[ -n "$_tvsi_has_shlvl" ] || unset SHLVL

# Becomes the command.
tvsi_exec() {
    if [ -n "$_tvsi_kept" ]; then
        case $_tvsi_path in
        *=*)
            tvsi_log "a command whose path has a = cannot get variables whose names are not for shells"
            exit 1
            ;;
        esac
        exec "$_tvsi_home/busybox" env -- "$@"
    fi
    shift
    exec -a "$_tvsi_command" "$_tvsi_path" "$@"
}

[ -n "$_tvsi_grace" ] || tvsi_exec "$@"

# What the container is stopped with is for the command. The watcher says by ALRM that it ends it.
_tvsi_changed=
trap '_tvsi_changed=yes' ALRM
for _tvsi_signal in HUP INT QUIT USR1 USR2 PWR TERM WINCH; do
    # shellcheck disable=SC2064 # the signal's name
    trap "kill -$_tvsi_signal \$_tvsi_process" "$_tvsi_signal"
done
# In the background it would read from /dev/null.
exec 3<&0
tvsi_exec "$@" <&3 3<&- &
_tvsi_process=$!
exec 3<&-

(
    trap - ALRM HUP INT QUIT USR1 USR2 PWR TERM WINCH
    _tvsi_last=$_tvsi_state
    while "$_tvsi_home/busybox" sleep 2 2>/dev/null; do
        _tvsi_now=$(tvsi_state)
        # Of several files that change, one comes after another.
        if [ "$_tvsi_now" = "$_tvsi_state" ] || [ "$_tvsi_now" != "$_tvsi_last" ]; then
            _tvsi_last=$_tvsi_now
            continue
        fi
        tvsi_log "a secret has changed: the application ends, to be started again"
        kill -ALRM $$
        kill -TERM "$_tvsi_process"
        "$_tvsi_home/busybox" sleep "$_tvsi_grace" 2>/dev/null
        kill -KILL "$_tvsi_process"
        break
    done
) >/dev/null </dev/null &
_tvsi_watcher=$!

# A signal ends the waiting, and not the command.
while
    wait "$_tvsi_process"
    _tvsi_status=$?
    kill -0 "$_tvsi_process" 2>/dev/null
do :; done
kill -KILL "$_tvsi_watcher" 2>/dev/null
# Whatever the command makes of it, it is to be started again where only failures are.
[ "$_tvsi_status" -ne 0 ] || [ -z "$_tvsi_changed" ] || _tvsi_status=143
exit "$_tvsi_status"
