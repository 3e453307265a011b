#!/bin/sh
# Starts the application, or a probe or hook of its container, with the secrets in its environment.
#
#   busybox sh env.sh FILE... -- COMMAND [ARGUMENT...]
#
# A line NAME=VALUE of a FILE becomes a variable, unless NAME cannot be one or is like one of the patterns
# in denied-names; a line that begins with the byte 1 goes on with the value above it. Nothing is evaluated and
# no value is shown. COMMAND runs as it would without this script, except for the variables. Beside this file are
# denied-names and the busybox that runs it. Its own variables begin with _tvsi_, for the application's are
# exported here too.
# shellcheck disable=SC3038,SC3045 # busybox has exec -a and read -d

set -f

tvsi_log() { echo "tvsi: $*" >&2; }

_tvsi_home=${0%/*}
_tvsi_denied='_tvsi_* IFS OPTIND PPID LINENO PWD OLDPWD SHLVL'
if [ ! -f "$_tvsi_home/denied-names" ] || [ ! -r "$_tvsi_home/denied-names" ]; then
    tvsi_log "env: $_tvsi_home/denied-names is not there"
    exit 1
fi
while IFS= read -r _tvsi_line || [ -n "$_tvsi_line" ]; do
    _tvsi_denied="$_tvsi_denied $_tvsi_line"
done <"$_tvsi_home/denied-names"

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

tvsi_export() {
    [ -z "$_tvsi_name" ] || export "$_tvsi_name=$_tvsi_value"
    _tvsi_name=
}

_tvsi_continued=$(printf '\001')
_tvsi_newline='
'
while [ "$1" != -- ]; do
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then
        tvsi_log "env: the secrets file $1 is not there"
        exit 1
    fi
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
            tvsi_log "env: line $_tvsi_number of $1 is skipped: it is not NAME=VALUE"
            continue
            ;;
        esac
        if ! tvsi_is_allowed "$_tvsi_name"; then
            tvsi_log "env: line $_tvsi_number of $1 is skipped: its name is not allowed"
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
    tvsi_log "env: the command $1 is not in PATH"
    exit 127
    ;;
-*) _tvsi_path=./$_tvsi_path ;;
esac

# The shell drops variables whose names it cannot have, such as my.variable, and has its own ideas of some
# others: those go through env, with which the command's name becomes its path.
_tvsi_command=$1
_tvsi_has_pwd=
_tvsi_has_shlvl=
_tvsi_kept=
while IFS= read -r -d '' _tvsi_line; do
    _tvsi_value=${_tvsi_line#*=}
    case ${_tvsi_line%%=*} in
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

if [ -n "$_tvsi_kept" ]; then
    case $_tvsi_path in
    *=*)
        tvsi_log "env: a command whose path has a = cannot get variables whose names are not for shells"
        exit 1
        ;;
    esac
    exec "$_tvsi_home/busybox" env -- "$@"
fi
shift
exec -a "$_tvsi_command" "$_tvsi_path" "$@"
