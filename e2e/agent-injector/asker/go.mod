module asker

go 1.26.5

require (
	github.com/evanphx/json-patch v5.9.11+incompatible
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/vault-k8s v1.7.6
)
