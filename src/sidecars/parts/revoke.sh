# Part of both agents' scripts: revokes the agent's token.

revoke() {
    read_token || return
    VAULT_TOKEN=$current VAULT_CLIENT_TIMEOUT=4s VAULT_MAX_RETRIES=1 vault token revoke -self >&2 &
    wait_or_kill $! || log "could not revoke the token; it ends with its TTL"
}
