# Part of both agents' scripts: revokes the agent's token, unless there is a TVSI_KEEP_TOKEN.
#
# Vault gets 8 seconds to answer. On a node with very many pods to end, the program can take as long to start.

revoke() {
    [ -z "$TVSI_KEEP_TOKEN" ] || return
    read_token || return
    VAULT_TOKEN=$current VAULT_CLIENT_TIMEOUT=8s VAULT_MAX_RETRIES=1 vault token revoke -self >&2 &
    wait_or_kill $! 20 || log "could not revoke the token; it ends with its TTL"
}
