#!/usr/bin/env bats
# One scenario for each feature of the policy, through the command line tool that runs policies. What becomes of a pod in
# every detail is in the golden cases (test_data), and how injected pods behave in e2e/cluster.
#
# KWCTL is the tool and POLICY the module: `make e2e-tests` names kwctl and annotated-policy.wasm, or target/debug/vsi and
# policy.wasm where there is no kwctl. The helpers are in e2e/cli.

# shellcheck disable=SC2016 # jq expressions have variables of their own

bats_require_minimum_version 1.5.0

load e2e/cli/helpers

setup_file() {
    cd "$BATS_TEST_DIRNAME" || return
    check_tools
}

setup() {
    enter_test
}

# ---- What is injected, and what is left alone

@test "a pod with inject gets Vault Agent and Consul Template, with role, path and file from labels and defaults" {
    pod
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent", "tvsi-consul-template"] and init_container_names == []'
    assert_jq 'volume("secrets").emptyDir.medium == "Memory"'
    assert_jq 'container("orders") | mounts_of("secrets")
        == [{name: "secrets", mountPath: "/opt/talend/secrets", readOnly: true}]'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_ADDR")]
        == ["https://vault:8200", "https://vault:8200"]'
    assert_jq 'login == {role: "shop", token_path: "/var/run/secrets/kubernetes.io/serviceaccount/token"}'
    assert_jq 'consul_template_configuration.template | only("template")
        | .destination == "/opt/talend/secrets/secrets.properties"
          and (.contents | startswith("{{ with secret \"secret/shop/orders\" }}"))'
}

@test "everything submitted survives, and the same request has the same answer" {
    pod secrets-path=secret/a,secret/b secrets-destination=a,b
    edit '.object.metadata.annotations["example.org/with~tilde"] = "kept"
        | .object.spec += {newerField: {list: [1, 1.5, null, "1", {}], nothing: null}}
        | .object.spec.containers[0] += {newerField: true, command: ["/orders", "$(SECRETS_FILE)"]}'
    run_policy
    assert_injected
    assert_of patch 'length > 0 and all(.[]; .op == "add")'
    cp "$RESPONSE" "$BATS_TEST_TMPDIR/first.json"
    run_policy
    cmp "$RESPONSE" "$BATS_TEST_TMPDIR/first.json"
}

@test "left alone: not annotated, injected already, in an ignored namespace, or not created" {
    request_of plain-pod inject=false
    run_policy
    assert_untouched
    pod
    run_policy
    assert_injected
    edit '.object = $outcome[0].pod' --slurpfile outcome "$OUTCOME"
    run_policy
    assert_untouched
    assert_no_warnings
    pod
    edit '.namespace = "kube-system"'
    run_policy
    assert_untouched
    pod
    edit '.operation = "DELETE" | .object = null'
    run_policy
    assert_untouched
}

@test "a pod that is injected keeps its sidecars" {
    pod status=injected
    edit '.operation = "UPDATE"
        | .object.spec.containers += [{name: "tvsi-vault-agent", image: "hashicorp/vault:2.0.4"}]
        | .oldObject = .object | .object.spec.containers[-1].image = "registry.example.org/evil:1"'
    run_policy
    assert_rejected tvsi-vault-agent
    edit '.object = .oldObject | .subResource = "ephemeralcontainers"
        | .object.spec.ephemeralContainers = [{name: "debugger", targetContainerName: "tvsi-vault-agent"}]'
    run_policy
    assert_rejected debugger tvsi-vault-agent
}

# ---- Modes

@test "mode proxy: the agent answers at proxy-port, and there are no secrets" {
    pod mode=proxy proxy-port=9999
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent"]'
    assert_jq 'agent_configuration.listener[0].address == "127.0.0.1:9999"'
    assert_jq 'container("orders") == $submitted.spec.containers[0]'
}

@test "mode job: a pod of a Job gets a babysitter, which waits for job-containers and not for a mesh's proxy" {
    job_pod
    edit '.object.spec.containers += [{name: "istio-proxy", image: "istio/proxyv2:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names[2:] == ["tvsi-vault-agent", "tvsi-consul-template", "tvsi-job-babysitter"]'
    assert_jq 'init_container_names == ["tvsi-job-babysitter-init"]'
    assert_jq 'container("tvsi-job-babysitter").args | map(select(contains("="))) == ["invoices=OnFailure"]'
    assert_jq 'container("istio-proxy") == {name: "istio-proxy", image: "istio/proxyv2:1"}'
    job_pod job-containers=main
    edit '.object.spec.containers += [{name: "main", image: "registry.example.org/main:1"}]'
    run_policy
    assert_jq 'container("tvsi-job-babysitter").args | map(select(contains("="))) == ["main=OnFailure"]'
    pod mode=job
    run_policy
    assert_rejected "$PREFIX/mode" spec.restartPolicy Always
}

@test "workload: job is mode job, with a warning" {
    job_pod workload=job
    edit 'del(.object.metadata.ownerReferences)'
    run_policy
    assert_injected
    assert_warns_of workload "$PREFIX/mode"
    assert_jq 'container_names[-1] == "tvsi-job-babysitter"'
}

@test "secrets-type static: an init container fetches the secrets once" {
    pod secrets-type=static
    edit '.object.spec.initContainers = [{name: "migrate", image: "registry.example.org/migrate:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent-init", "migrate"] and container_names == ["orders"]'
    assert_jq 'agent_configuration("tvsi-vault-agent-init").exit_after_auth == true'
}

@test "secrets-injection-method env: the command of the application goes through a shell" {
    pod secrets-type=static secrets-injection-method=env
    edit '.object.spec.containers[0] += {command: ["/orders", "$(HOME) x"], args: ["--a"]}'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent-init", "tvsi-env-init"] and container_names == ["orders"]'
    assert_jq 'container("orders") | (.command[0] | startswith("/opt/talend/tvsi-env/"))
        and .command[-2:] == ["/orders", "$(HOME) x"] and .args == ["--a"]'
}

@test "sidecars native: init containers that keep running, before the pod's own, also in a job" {
    job_pod sidecars=native
    edit '.object.spec.initContainers = [{name: "migrate", image: "registry.example.org/migrate:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent", "tvsi-consul-template", "migrate"]'
    assert_jq 'container_names == ["invoices"]'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | .restartPolicy == "Always" and has("startupProbe")]
        == [true, true]'
}

@test "template-engine vault-agent: the agent renders, without a second sidecar" {
    pod template-engine=vault-agent
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent"]'
    assert_jq 'agent_configuration.template[0].destination == "/opt/talend/secrets/secrets.properties"'
}

# ---- How the agent logs in

@test "role, vault-image and vault-namespace are the pod's" {
    pod role=orders vault-image=registry.example.org/vault:1.21 vault-namespace=teams/shop
    run_policy
    assert_injected
    assert_jq 'login.role == "orders" and container("tvsi-vault-agent").image == "registry.example.org/vault:1.21"'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_NAMESPACE")]
        == ["teams/shop", "teams/shop"]'
}

@test "auth approle: an init container of the pod brings the ids, or approle-secret" {
    pod auth=approle
    edit '.object.spec.initContainers = [{name: "ids", image: "registry.example.org/ids:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'login.role_id_file_path == "/opt/talend/secrets/approle_roleid"'
    assert_jq 'container("ids") | mounts_of("secrets") == [{name: "secrets", mountPath: "/opt/talend/secrets"}]'
    pod auth=approle approle-secret=orders-ids
    run_policy
    assert_no_warnings
    assert_jq '[login.role_id_file_path, login.secret_id_file_path] as $files
        | [origin_of($files[]; "tvsi-vault-agent")] == [["secret", "orders-ids", "role-id"], ["secret", "orders-ids", "secret-id"]]'
}

@test "sa-token: the agent gets the volume that the application has there" {
    pod sa-token=/run/tokens/vault.jwt
    edit '.object.spec.volumes += [{name: "vault-token", projected: {sources: [{serviceAccountToken: {path: "vault.jwt"}}]}}]
        | .object.spec.containers[0].volumeMounts += [{name: "vault-token", mountPath: "/run/tokens"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'login.token_path == "/opt/talend/tvsi-login-token/vault.jwt"'
    assert_jq 'container("tvsi-vault-agent") | volume_at("/opt/talend/tvsi-login-token") == "vault-token"'
}

# ---- Which secrets, and where they go

@test "secrets-path and secrets-destination: one file for each path, and a command of notify" {
    pod secrets-path="secret/shop/mail, database/creds/shop" secrets-destination="mail.properties ,db/creds" \
        notify="true,kill -HUP 1"
    run_policy
    assert_injected
    assert_jq '[consul_template_configuration.template[] | [.destination, .exec.command[-1]]]
        == [["/opt/talend/secrets/mail.properties", "true"], ["/opt/talend/secrets/db/creds", "kill -HUP 1"]]'
    pod secrets-destination=a/../../b
    run_policy
    assert_rejected_for secrets-destination '"a/../../b"'
}

@test "secrets-template: templates separated by lines ---, which are checked" {
    local mail='{{ with secret "secret/shop/mail" }}{{ range $k, $v := .Data }}{{ $k }}:{{ $v }},{{ end }}{{ end }}'
    local rest='{{ with secret "secret/shop/rest" }}a --- b{{ end }}'
    pod secrets-destination=mail,rest secrets-template="$mail"$'\n---\n'"$rest"
    run_policy
    assert_injected
    assert_jq '[consul_template_configuration.template[].contents] == [$mail + "\n", $rest]' \
        --arg mail "$mail" --arg rest "$rest"
    pod secrets-destination=a,b secrets-template=$'hunter2\n---\n\n{{ file "/etc/passwd" }}'
    run_policy
    assert_rejected_for secrets-template 'the template for "b", line 2' file restrictions.deniedTemplateFunctions
}

@test "secrets-mount-path and inject-containers: which containers see the files, and where" {
    pod secrets-mount-path=/run/shop inject-containers=worker
    edit '.object.spec.containers += [{name: "worker", image: "registry.example.org/worker:1"}]'
    run_policy
    assert_injected
    assert_jq 'container("worker") | mounts_of("secrets") == [{name: "secrets", mountPath: "/run/shop", readOnly: true}]'
    assert_jq 'container("orders") | mounts_of("secrets") == []'
    assert_jq 'container("tvsi-consul-template") | volume_at("/opt/talend/secrets") == "secrets"'
}

@test "secrets-hook: the sidecars come first, and a hook waits for the files" {
    # Kubernetes expands nothing in hooks, so no $ is doubled.
    pod secrets-hook=true secrets-destination='$(A)'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["tvsi-vault-agent", "tvsi-consul-template", "orders"]'
    assert_jq 'container("orders").lifecycle.postStart.exec.command[-2:] == ["120", "/opt/talend/secrets/$(A)"]'
}

@test "share-process-namespace, and the amounts of each sidecar" {
    pod share-process-namespace=true agent-limits-memory=96Mi consul-template-requests-cpu=5m
    run_policy
    assert_injected
    assert_jq '.spec.shareProcessNamespace == true'
    assert_jq 'container("tvsi-vault-agent").resources.limits.memory == "96Mi"
        and container("tvsi-consul-template").resources.requests.cpu == "5m"'
}

# ---- Workloads

@test "workloads of every kind are checked and never changed" {
    local kind
    for kind in Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob; do
        # The warning shows that the template has been looked at.
        workload "$kind" secret-path=secret/a
        run_policy
        assert_untouched
        assert_warns_of secret-path secrets-path
    done
    workload Deployment auth=github
    run_policy
    assert_rejected_for auth '"github"' kubernetes approle
}

@test "an update is checked only if it changes the template" {
    workload Deployment auth=github
    update_by '.spec.replicas = 5'
    run_policy
    assert_untouched
    update_by '.spec.template.spec.containers[0].image = "registry.example.org/shop/orders:3"'
    run_policy
    assert_rejected_for auth kubernetes approle
}

# ---- Mistakes and hostile values

@test "an unknown annotation is a warning with the nearest known one, also if the pod is rejected" {
    pod rolle=shop
    run_policy
    assert_injected
    assert_warns_of rolle role
    edit 'del(.object.metadata.labels)'
    run_policy
    assert_rejected "$PREFIX/role"
    assert_warns_of rolle role
}

@test "messages never show what was submitted" {
    # assert_rejected looks for the credential and at the size.
    local long
    printf -v long '%99000s' ''
    long=hunter2${long// /x}
    pod mode="$long"
    run_policy
    assert_rejected_for mode secrets proxy job
    pod
    edit '.object.spec.containers = {password: "hunter2"}'
    run_policy
    assert_rejected "spec: does not match the Kubernetes API"
}

@test "values of annotations do not leave their place" {
    local shell=$'\'"`id`$(id) $$ ${HOME} \\ ; #'
    local path='secret/a" }}{{ plugin "x" }}\$(POD_NAME)'
    pod
    run_policy
    cp "$OUTCOME" "$BATS_TEST_TMPDIR/benign.json"
    pod role="$shell" vault-namespace="$shell" notify="$shell" secrets-path="$path" secrets-destination="$shell"
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'login.role == $value and (container("tvsi-vault-agent") | variable("VAULT_NAMESPACE")) == $value' \
        --arg value "$shell"
    # The path is a string of the template's; Go and JSON write this one in the same way.
    assert_jq 'consul_template_configuration.template | only("template")
        | .destination == "/opt/talend/secrets/\($value)" and .exec.command[-1] == $value
          and (.contents | startswith("{{ with secret \($path | tojson) }}{{ $data := .Data }}"))' \
        --arg value "$shell" --arg path "$path"
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | .command, .args]
        == [$benign[0].pod | container("tvsi-vault-agent", "tvsi-consul-template") | .command, .args]' \
        --slurpfile benign "$BATS_TEST_TMPDIR/benign.json"
}

@test "containers and volumes of the policy are reserved" {
    pod
    edit '.object.spec.containers += [{name: "tvsi-vault-agent", image: "x"}]'
    run_policy
    assert_rejected "container tvsi-vault-agent"
    pod
    edit '.object.spec.containers[0].volumeMounts += [{name: "tvsi-shared", mountPath: "/steal"}]'
    run_policy
    assert_rejected tvsi-shared
    pod
    # It stays the application's.
    edit '.object.spec.volumes += [{name: "secrets", configMap: {name: "x"}}]'
    run_policy
    assert_injected
    assert_jq 'container("tvsi-consul-template") | volume_at("/opt/talend/secrets") == "tvsi-secrets"'
    assert_jq '[.spec.volumes[] | select(.name == "tvsi-secrets")] | length == 1'
}

# ---- Settings

@test "docs/reference/settings-example.yaml is what the defaults are" {
    job_pod mode=secrets,proxy,job secrets-path=secret/a
    run_policy
    assert_injected
    cp "$RESPONSE" "$BATS_TEST_TMPDIR/defaults.json"
    evaluate --settings-path docs/reference/settings-example.yaml
    cmp "$RESPONSE" "$BATS_TEST_TMPDIR/defaults.json"
}

@test "settings vault: address, namespace, login, TLS and revocation" {
    pod
    run_policy '{"vault": {
        "address": "https://vault.example.org", "namespace": "team", "revokeGraceSeconds": 12,
        "auth": {"kubernetes": {"path": "team/kubernetes", "tokenAudience": "vault"}},
        "tls": {"ca": {"secretName": "authority", "key": "root.pem"}}
      }}'
    assert_injected
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_ADDR", "VAULT_NAMESPACE")]
        == ["https://vault.example.org", "team", "https://vault.example.org", "team"]'
    assert_jq 'origin_of(container("tvsi-vault-agent") | variable("VAULT_CACERT"); "tvsi-vault-agent")
        == ["secret", "authority", "root.pem"]'
    assert_jq 'agent_configuration.auto_auth[0].method[0].mount_path == "auth/team/kubernetes"'
    assert_jq '[.spec.volumes[].projected.sources[]?.serviceAccountToken.audience] | index("vault") != null'
    assert_jq 'container("tvsi-vault-agent").args | index("12") != null'
}

@test "settings annotations: prefix and labels" {
    pod
    edit '.object.metadata.annotations = {"secrets.example.org/inject": "true", "\($prefix)/mode": "proxy"}
        | .object.metadata.labels += {app: "web", "example.org/component": "front"}' --arg prefix "$PREFIX"
    run_policy '{"annotations": {
        "prefix": "secrets.example.org", "applicationLabel": "app", "serviceLabel": "example.org/component"
      }}'
    assert_injected secrets.example.org
    assert_no_warnings
    assert_jq 'login.role == "web"
        and (consul_template_configuration.template[0].contents | contains("secret \"secret/web/front\""))'
}

@test "settings secrets: where and how the files are" {
    pod
    run_policy '{"secrets": {
        "mountPath": "/run/shop", "readOnly": false, "sizeLimit": "1Mi", "filePermissions": "0640", "refreshSeconds": 30
      }}'
    assert_injected
    assert_jq 'container("orders") | mounts_of("secrets") == [{name: "secrets", mountPath: "/run/shop"}]'
    assert_jq 'volume("secrets").emptyDir.sizeLimit == "1Mi"'
    assert_jq 'consul_template_configuration | .vault.default_lease_duration == "30s" and .template[0].perms == "0640"'
}

@test "settings sidecars and templateEngine give way to annotations" {
    local settings='{"sidecars": "native", "templateEngine": "vault-agent"}'
    pod
    run_policy "$settings"
    assert_jq 'init_container_names == ["tvsi-vault-agent"] and container_names == ["orders"]'
    pod sidecars=classic template-engine=consul-template
    run_policy "$settings"
    assert_jq 'container_names == ["orders", "tvsi-vault-agent", "tvsi-consul-template"]'
}

@test "settings of the injected containers: images, resources, logs, security, pull secrets" {
    job_pod
    run_policy '{
        "agent": {"image": "example.org/a:1", "imagePullPolicy": "Always", "logLevel": "debug"},
        "consulTemplate": {"image": "example.org/c:1", "resources": null},
        "jobBabysitter": {"image": "example.org/b:1"},
        "securityContext": {"runAsUser": 7},
        "imagePullSecrets": ["vault"]
      }'
    assert_injected
    assert_jq '[injected_containers[].image]
        == ["example.org/b:1", "example.org/a:1", "example.org/c:1", "example.org/b:1"]'
    assert_jq 'container("tvsi-vault-agent").imagePullPolicy == "Always" and agent_configuration.log_level == "debug"'
    assert_jq 'container("tvsi-consul-template").resources == null'
    assert_jq '[injected_containers[].securityContext.runAsUser] == [7, 7, 7, 7]'
    assert_jq '.spec.imagePullSecrets == [{name: "vault"}]'
    pod secrets-type=static secrets-injection-method=env
    edit '.object.spec.containers[0].command = ["/orders"]'
    run_policy '{"envShell": {"image": "example.org/shell:1", "deniedNames": ["SHOP_*"]}}'
    assert_jq 'container("tvsi-env-init").image == "example.org/shell:1"
        and (container("tvsi-env-init").args[-1] | split(" ") | index("SHOP_*") != null)'
}

@test "settings jobs and ignoredNamespaces: what is left alone" {
    job_pod
    run_policy '{"jobs": {"autoDetect": false}}'
    assert_injected
    assert_warns "mode job"
    assert_jq 'container_names[-1] == "tvsi-consul-template"'
    edit '.object.spec.containers += [{name: "telemetry", image: "x"}]'
    run_policy '{"jobs": {"ignoredContainers": ["telemetry"]}}'
    assert_jq 'container("tvsi-job-babysitter").args | map(select(contains("="))) == ["invoices=OnFailure"]'
    run_policy '{"ignoredNamespaces": ["shop"]}'
    assert_untouched
}

@test "settings restrictions: what annotated pods cannot use" {
    local setting value annotation template='{{ with secret "secret/shop/a" }}{{ key "b" }}{{ end }}'
    while read -r setting value annotation; do
        pod "${annotation//TEMPLATE/$template}"
        run_policy
        assert_injected
        run_policy "{\"restrictions\": {\"$setting\": $value}}"
        assert_rejected "restrictions.$setting"
    done <<-'ROWS'
	allowedImages           ["registry.example.org/vault:*"]         vault-image=example.org/vault:1
	allowedRoles            ["{namespace}_{serviceAccount}_*"]       role=orders
	allowedVaultPaths       ["secret/{namespace}/**"]                secrets-path=secret/team/a
	allowTemplates          false                                    secrets-template=TEMPLATE
	deniedTemplateFunctions ["key"]                                  secrets-template=TEMPLATE
	lockedAnnotations       ["notify"]                               notify=true
	sharedProcesses         "refuse"                                 share-process-namespace=true
	ROWS
}

@test "settings that are not valid are rejected with every problem" {
    pod
    assert_settings_rejected '{"vault": {"adress": "x"}, "sidecars": "sidecar", "jobs": [], "secrets": {"refreshSeconds": 0}}' \
        "Provided settings are not valid" vault.adress: address sidecars: classic native jobs: secrets.refreshSeconds:
    assert_settings_rejected '[]'
}
