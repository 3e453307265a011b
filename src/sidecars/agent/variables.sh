# Names the environment variables that refer to a path in Vault, after what the agent logs of that path: the agent names
# paths alone. agent-init.sh evaluates it, where there are such variables: TVSI_VARIABLES has a line PATH#VARIABLES for each
# path.
# shellcheck shell=sh disable=SC2034,SC2154 # its variables are agent-init.sh's

show() {
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "$line"
        case $line in
        *vault.read[\(]* | *vault.write[\(]*) ;;
        *) continue ;;
        esac
        printf '%s' "$TVSI_VARIABLES" | while IFS= read -r of; do
            path=${of%%#*}
            case $line in
            *vault.read[\(]"$path"[\).]* | *vault.write[\(]"$path"' '*)
                log "needed by the environment variables: ${of#*#}"
                ;;
            esac
        done
    done
}

start() {
    rm -f "${token%/*}/.log" && mkfifo -m 600 "${token%/*}/.log" || exit
    show <"${token%/*}/.log" &
    reader=$!
    printf '%s' "$config" | vault agent -config "$file" >"${token%/*}/.log" 2>&1 &
}
