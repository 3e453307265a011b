# What the quickstart's Vault needs: a login for the service account `orders`, a secret, and a policy to read it.
# `kubectl exec` runs this in the pod of the development server, where VAULT_ADDR is set and the root token is `root`.
set -eu
export VAULT_TOKEN=root

vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
vault policy write shop - <<'POLICY'
path "secret/data/shop/*" {
  capabilities = ["read"]
}
POLICY
vault write auth/kubernetes/role/shop \
  bound_service_account_names=orders bound_service_account_namespaces=default \
  token_policies=shop token_ttl=1h
vault kv put secret/shop/orders user=orders password=first
