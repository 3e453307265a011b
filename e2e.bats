#!/usr/bin/env bats
# Every feature of the policy, as the command line tool that runs policies shows it: what becomes of a pod, what is
# refused and what is warned of.
#
# KWCTL is the tool (kwctl; target/debug/vsi answers the same) and POLICY the module (annotated-policy.wasm):
#
#   make annotated-policy.wasm
#   bats e2e.bats
#
# The helpers are in e2e/cli. How injected pods behave is tested in e2e/pods.

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

# ---- The tests' own tool

@test "patches are applied as RFC 6902 says" {
    jq -n -L e2e/cli 'include "pods";
        def gives($object; $operation; $expected):
          [try ($object | patched([$operation])) catch "refused"][0]
          | . == $expected or error("\($operation) gives \(.)");
        gives({a: [1, 3]}; {op: "add", path: "/a/1", value: 2}; {a: [1, 2, 3]})
          and gives({a: [1]}; {op: "add", path: "/a/-", value: 2}; {a: [1, 2]})
          and gives({a: [1]}; {op: "add", path: "/a/2", value: 3}; "refused")
          and gives({a: [1]}; {op: "add", path: "/a/01", value: 3}; "refused")
          and gives({}; {op: "add", path: "/a/b", value: 1}; "refused")
          and gives({a: 1}; {op: "add", path: "/x~1y~01", value: null}; {a: 1, "x/y~1": null})
          and gives({a: 1}; {op: "add", path: "", value: []}; [])
          and gives({a: [1, 2]}; {op: "remove", path: "/a/0"}; {a: [2]})
          and gives({a: 1}; {op: "remove", path: "/b"}; "refused")
          and gives({a: null}; {op: "replace", path: "/a", value: 1}; {a: 1})
          and gives({}; {op: "replace", path: "/a", value: 1}; "refused")
          and gives({a: [1, 2], b: {}}; {op: "move", from: "/a/0", path: "/b/c"}; {a: [2], b: {c: 1}})
          and gives({a: {b: 1}}; {op: "copy", from: "/a", path: "/c"}; {a: {b: 1}, c: {b: 1}})
          and gives({a: [1]}; {op: "test", path: "/a", value: [1]}; {a: [1]})
          and gives({a: [1]}; {op: "test", path: "/a", value: [2]}; "refused")
          and gives({}; {op: "merge", path: "/a", value: 1}; "refused")' --exit-status
}

# ---- What asks for injection, and what is left alone

@test "a pod with inject gets Vault Agent and Consul Template behind its own containers" {
    pod
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent", "tvsi-consul-template"]'
    assert_jq 'init_container_names == []'
    assert_jq 'volume("secrets").emptyDir == {medium: "Memory", sizeLimit: "16Mi"}'
    assert_jq 'volume("tvsi-shared").emptyDir == {medium: "Memory", sizeLimit: "4Mi"}'
    assert_jq 'container("orders") | mounts_of("secrets")
        == [{name: "secrets", mountPath: "/opt/talend/secrets", readOnly: true}]'
    assert_jq 'container("tvsi-consul-template") | volume_at("/opt/talend/secrets") == "secrets"'
    assert_jq '[.spec.containers[] | select(mounts_of("tvsi-shared") != []) | .name]
        == ["tvsi-vault-agent", "tvsi-consul-template"]'
}

@test "without other annotations, role, path and file come from labels and defaults" {
    pod
    run_policy
    assert_jq 'agent_configuration.auto_auth == [{
        method: [{
          type: "kubernetes", mount_path: "auth/kubernetes", max_backoff: "30s",
          config: [{role: "shop", token_path: "/var/run/secrets/kubernetes.io/serviceaccount/token"}]
        }],
        sink: [{type: "file", config: [{path: "/opt/talend/tvsi/.vault-token"}]}]
      }]'
    assert_jq 'consul_template_configuration | del(.template) == {
        kill_signal: "SIGTERM", log_level: "info",
        vault: {
          vault_agent_token_file: "/opt/talend/tvsi/.vault-token", renew_token: false,
          retry: {attempts: 0, backoff: "500ms", max_backoff: "30s"}
        }
      }'
    assert_jq 'consul_template_configuration.template | only("template")
        | .destination == "/opt/talend/secrets/secrets.properties"
          and (.contents | startswith("{{ with secret \"secret/shop/orders\" }}"))
          and .perms == "0644" and .error_on_missing_key == false and .error_fatal == false
          and .wait == {min: "1s", max: "2s"} and .sandbox_path == "/opt/talend/secrets"
          and (.function_denylist | index("plugin") != null) and (has("exec") | not)'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_ADDR")]
        == ["https://vault:8200", "https://vault:8200"]'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template").image]
        == ["hashicorp/vault:2.0.4", "hashicorp/consul-template:0.42.1"]'
}

@test "inject takes booleans in any case, and what is none leaves the pod alone, with a warning" {
    pod inject=Yes
    run_policy
    assert_injected
    pod inject=off
    run_policy
    assert_untouched
    assert_no_warnings
    # Who cannot be understood is left alone, and told.
    pod inject=maybe
    run_policy
    assert_untouched
    assert_warns_of inject boolean
}

@test "a pod that asks for nothing is untouched" {
    request_of plain-pod
    edit 'del(.object.metadata.annotations["\($prefix)/inject"])' --arg prefix "$PREFIX"
    run_policy
    assert_untouched
    assert_no_warnings
}

@test "an injected pod is not injected again" {
    pod
    run_policy
    assert_injected
    edit '.object = $outcome[0].pod' --slurpfile outcome "$OUTCOME"
    run_policy
    assert_untouched
    assert_no_warnings
}

@test "a status that the policy has not set leaves the pod alone, with a warning" {
    pod status=pending
    run_policy
    assert_untouched
    assert_warns_of status
}

@test "a pod in an ignored namespace is untouched, and the namespace is the request's" {
    pod
    edit '.namespace = "kube-system"'
    run_policy
    assert_untouched
    edit '.namespace = "shop" | .object.metadata.namespace = "kube-system"'
    run_policy
    assert_injected
}

@test "other operations and other kinds are untouched" {
    pod
    update_by '.metadata.labels.new = "1"'
    run_policy
    assert_untouched
    edit '.operation = "DELETE" | .object = null'
    run_policy
    assert_untouched
    pod
    edit '.kind = {group: "example.org", version: "v1", kind: "Pod"} | .requestKind = .kind'
    run_policy
    assert_untouched
}

# ---- Everything submitted survives

@test "a patch only adds, and without what it adds the pod is the submitted one" {
    pod secrets-path=secret/a,secret/b secrets-destination=a,b
    edit '
        .object.metadata.annotations += {
          "example.org/with~tilde": "kept", "kubectl.kubernetes.io/default-container": "orders", "$(KEPT)": "$$(KEPT)"
        }
        | .object.spec += {
            imagePullSecrets: [{name: "registry"}], newerField: {list: [1, 1.5, null, "1", {}], nothing: null},
            initContainers: [{name: "migrate", image: "registry.example.org/migrate:1", newerField: {"a/b~c": []}}]
          }
        | .object.spec.volumes += [{name: "data", newerVolume: {size: "1Gi"}}]
        | .object.spec.containers[0] += {newerField: true, command: ["/orders", "$(SECRETS_FILE)"]}
        | .object.spec.containers += [{name: "metrics", image: "registry.example.org/metrics:1", stdin: null}]'
    run_policy
    assert_injected
    assert_patch 'length > 0 and all(.[]; .op == "add")'
    assert_jq 'without_additions($submitted) == $submitted'
}

@test "lists that are missing or null are made" {
    pod
    edit '.object.spec |= (del(.containers[].volumeMounts) | .volumes = null | .initContainers = null)'
    edit '.object.spec.imagePullSecrets = null'
    run_policy '{"sidecars": "native", "imagePullSecrets": ["registry"]}'
    assert_injected
    assert_jq 'init_container_names == ["tvsi-vault-agent", "tvsi-consul-template"]'
    assert_jq 'container("orders") | volume_at("/opt/talend/secrets") == "secrets"'
    assert_jq '.spec.imagePullSecrets == [{name: "registry"}] and (volume_names | index("secrets") != null)'
}

@test "the same request has the same answer, byte for byte" {
    job_pod secrets-path=secret/b,secret/a secrets-destination=b,a mode=secrets,proxy,job
    run_policy
    assert_injected
    cp "$RESPONSE" "$BATS_TEST_TMPDIR/first.json"
    run_policy
    cmp "$RESPONSE" "$BATS_TEST_TMPDIR/first.json"
}

@test "what is in the pod already is not taken: container, volume, mount path, secrets volume" {
    pod
    edit '.object.spec.containers += [{name: "tvsi-vault-agent", image: "x"}]'
    run_policy
    assert_refused "container tvsi-vault-agent"
    pod
    edit '.object.spec.volumes += [{name: "tvsi-shared", emptyDir: {}}]'
    run_policy
    assert_refused "volume tvsi-shared"
    pod
    edit '.object.spec.volumes += [{name: "mine", emptyDir: {}}]
        | .object.spec.containers[0].volumeMounts += [{name: "mine", mountPath: "/opt/talend/secrets/"}]'
    run_policy
    assert_refused "container orders" "volume mine" "volume secrets"
    pod
    edit '.object.spec.volumes += [{name: "secrets", configMap: {name: "x"}}]'
    run_policy
    assert_refused "volume secrets" configMap emptyDir
}

@test "a secrets volume of the pod's own is used, with a warning unless it is in memory" {
    pod
    edit '.object.spec.volumes += [{name: "secrets", emptyDir: {}}]
        | .object.spec.containers[0].volumeMounts += [{name: "secrets", mountPath: "/run/own"}]'
    run_policy
    assert_injected
    assert_warns "volume secrets"
    assert_jq 'volume("secrets") == {name: "secrets", emptyDir: {}}'
    assert_jq 'container("orders") | mounts_of("secrets") == [{name: "secrets", mountPath: "/run/own"}]'
}

# ---- What the injected containers may

@test "injected containers are unprivileged and have requests and limits" {
    job_pod
    run_policy
    assert_jq 'injected_containers | length == 4'
    assert_hardened
    job_pod secrets-type=static secrets-injection-method=env
    edit '.object.spec.containers[0].command = ["/invoices"]'
    run_policy
    assert_jq 'injected_containers | length == 2'
    assert_hardened
}

assert_hardened() {
    assert_injected
    assert_jq 'injected_containers | all(.[]; .securityContext == {
        runAsUser: 100, runAsGroup: 1000, runAsNonRoot: true, readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false, capabilities: {drop: ["ALL"]}, seccompProfile: {type: "RuntimeDefault"}
      })'
    assert_jq '{
          "tvsi-vault-agent": ["25m", "64Mi", "250m", "128Mi"],
          "tvsi-vault-agent-init": ["25m", "64Mi", "250m", "128Mi"],
          "tvsi-consul-template": ["10m", "32Mi", "100m", "64Mi"],
          "tvsi-job-babysitter": ["10m", "32Mi", "100m", "96Mi"],
          "tvsi-job-babysitter-init": ["10m", "32Mi", "100m", "96Mi"],
          "tvsi-env-init": ["5m", "8Mi", "50m", "32Mi"]
        } as $amounts
        | injected_containers | all(.[]; $amounts[.name] == (.resources
            | [.requests.cpu, .requests.memory, .limits.cpu, .limits.memory]))'
}

@test "Vault's token and the service account's are only where they are needed" {
    job_pod mode=job
    run_policy
    assert_jq '[all_containers[] | select(mounts_of("tvsi-shared") != []) | .name]
        == ["tvsi-vault-agent", "tvsi-consul-template"]'
    assert_jq '[injected_containers[]
            | {key: .name, value: volume_at("/var/run/secrets/kubernetes.io/serviceaccount")}] | from_entries
        == {
          "tvsi-vault-agent": "kube-api-access-tq8zd",
          "tvsi-consul-template": "tvsi-no-token",
          "tvsi-job-babysitter": "kube-api-access-tq8zd",
          "tvsi-job-babysitter-init": "kube-api-access-tq8zd"
        }'
    assert_jq 'volume("tvsi-no-token").emptyDir != null'
}

@test "a pod without the service account's token gets tokens for the login and for the babysitter" {
    job_pod mode=job
    edit '.object.spec |= (.automountServiceAccountToken = false | del(.volumes, .containers[].volumeMounts))'
    run_policy
    assert_injected
    assert_jq '. as $pod
        | container("tvsi-vault-agent") | volume_at("/var/run/secrets/kubernetes.io/serviceaccount") as $volume
        | [$pod | volume($volume).projected.sources[].serviceAccountToken] | only("token")
        | .path == "token" and (has("audience") | not)'
    assert_jq '. as $pod
        | container("tvsi-job-babysitter") | volume_at("/var/run/secrets/kubernetes.io/serviceaccount") as $volume
        | [$pod | volume($volume).projected.sources[] | keys[]] | sort
        == ["configMap", "downwardAPI", "serviceAccountToken"]'
}

# ---- mode, workload, secrets-type

@test "mode proxy: the agent answers at a local port, and there are no secrets" {
    pod mode=proxy
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent"] and init_container_names == []'
    assert_jq 'agent_configuration
        | .listener == [{type: "tcp", address: "127.0.0.1:8200", tls_disable: true}]
          and .api_proxy == [{use_auto_auth_token: true}] and .cache == [{}] and (has("template") | not)'
    assert_jq 'container("orders") == $submitted.spec.containers[0]'
}

@test "mode job: a babysitter ends the sidecars, and its permission is checked first" {
    job_pod mode=job secrets-path=secret/shop/invoices
    # A pod that no Job has made.
    edit 'del(.object.metadata.ownerReferences)'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names
        == ["invoices", "tvsi-vault-agent", "tvsi-consul-template", "tvsi-job-babysitter"]'
    assert_jq 'init_container_names == ["tvsi-job-babysitter-init"]'
    assert_jq 'volume("tvsi-job").emptyDir == {medium: "Memory", sizeLimit: "1Mi"}'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | mounts_of("tvsi-job")[] | [.mountPath, .readOnly]]
        == [["/opt/talend/tvsi-job", true], ["/opt/talend/tvsi-job", true]]'
    assert_jq 'container("tvsi-job-babysitter") | mounts_of("tvsi-job")
        == [{name: "tvsi-job", mountPath: "/opt/talend/tvsi-job"}]'
    # All three know the same signal.
    assert_jq 'container("tvsi-job-babysitter").args[0] as $signal
        | ($signal | startswith("/opt/talend/tvsi-job/"))
          and ([container("tvsi-vault-agent").args[2], container("tvsi-consul-template").args[1]] == [$signal, $signal])'
    assert_jq 'container("tvsi-job-babysitter").args[1:] == ["invoices=OnFailure"]'
}

@test "modes and secrets-type together: the containers of the table in docs/annotations.md" {
    local modes type init sidecars rows=0
    while read -r modes type init sidecars; do
        job_pod mode="$modes" secrets-type="$type"
        edit 'del(.object.metadata.ownerReferences)'
        run_policy
        assert_injected
        assert_jq '(init_container_names | map(ltrimstr("tvsi-")) | join(",")) == $init
            and (container_names[1:] | map(ltrimstr("tvsi-")) | join(",")) == $sidecars' \
            --arg init "${init#-}" --arg sidecars "${sidecars#-}"
        rows=$((rows + 1))
    done <<-'ROWS'
	job                static   vault-agent-init                     -
	proxy,job          dynamic  job-babysitter-init                  vault-agent,job-babysitter
	secrets,proxy      static   vault-agent-init                     vault-agent
	secrets,proxy,job  static   job-babysitter-init,vault-agent-init vault-agent,job-babysitter
	secrets,proxy      dynamic  -                                    vault-agent,consul-template
	Secrets,PROXY,Job  dynamic  job-babysitter-init                  vault-agent,consul-template,job-babysitter
	ROWS
    [ "$rows" -eq 6 ]
}

@test "mode refuses what it does not know, and an empty item" {
    pod mode=secret
    run_policy
    assert_refused_for mode '"secret"' secrets proxy job
    pod mode=secrets,,job
    run_policy
    assert_refused_for mode "item 2"
}

@test "mode job needs a pod that can end" {
    pod mode=job
    run_policy
    assert_refused "$PREFIX/mode" spec.restartPolicy Always Never OnFailure
    job_pod mode=job
    edit '.object.spec.containers[0].restartPolicy = "Always"'
    run_policy
    assert_refused "container invoices" Never OnFailure
}

@test "workload: job is mode job, with a warning" {
    job_pod workload=job
    edit 'del(.object.metadata.ownerReferences)'
    run_policy
    assert_injected
    assert_warns_of workload deprecated "$PREFIX/mode"
    assert_jq 'container_names[-1] == "tvsi-job-babysitter"'
}

@test "secrets-type static: an init container fetches the secrets once" {
    pod secrets-type=static
    edit '.object.spec.initContainers = [{name: "migrate", image: "registry.example.org/migrate:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent-init", "migrate"] and container_names == ["orders"]'
    assert_jq 'agent_configuration("tvsi-vault-agent-init")
        | .exit_after_auth == true and .template_config[0].exit_on_retry_failure == true
          and .auto_auth[0].method[0].exit_on_err == true
          and [.template[].destination] == ["/opt/talend/secrets/secrets.properties"]'
    assert_jq '[container("orders", "migrate") | mounts_of("secrets")[]] | length == 2
        and all(.[]; . == {name: "secrets", mountPath: "/opt/talend/secrets", readOnly: true})'
}

@test "with static secrets there is nothing to notify of and nothing to wait for" {
    pod secrets-type=static notify=true secrets-hook=true template-engine=vault-agent
    run_policy
    assert_injected
    assert_warns_of notify "no effect"
    assert_warns_of secrets-hook "no effect"
    assert_warns_of template-engine "no effect"
    assert_jq 'agent_configuration("tvsi-vault-agent-init").template | all(.[]; has("exec") | not)'
    assert_jq 'container("orders") | has("lifecycle") | not'
}

# ---- How the agent logs in

@test "role: the annotation comes before the label, and one of them is needed" {
    pod role=orders
    run_policy
    assert_injected
    assert_jq 'agent_configuration.auto_auth[0].method[0].config[0].role == "orders"'
    pod secrets-path=secret/a
    edit 'del(.object.metadata.labels)'
    run_policy
    assert_refused "$PREFIX/role" com.talend.application
}

@test "auth approle: an init container of the pod brings the ids" {
    pod auth=approle
    edit '.object.spec.initContainers = [{name: "ids", image: "registry.example.org/ids:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'agent_configuration.auto_auth[0].method[0] | del(.max_backoff) == {
        type: "approle", mount_path: "auth/approle",
        config: [{
          role_id_file_path: "/opt/talend/secrets/approle_roleid",
          secret_id_file_path: "/opt/talend/secrets/approle_secretid",
          remove_secret_id_file_after_reading: false
        }]
      }'
    assert_jq 'container("ids") | mounts_of("secrets") == [{name: "secrets", mountPath: "/opt/talend/secrets"}]'
    assert_jq 'container("orders") | mounts_of("secrets")[0].readOnly == true'
    assert_jq 'container("tvsi-vault-agent") | volume_at("/opt/talend/secrets") == "secrets"'
    # Native sidecars have to wait for it.
    edit '.object.metadata.annotations["\($prefix)/sidecars"] = "native"' --arg prefix "$PREFIX"
    run_policy
    assert_jq 'init_container_names == ["ids", "tvsi-vault-agent", "tvsi-consul-template"]'
}

@test "auth approle cannot fetch static secrets with ids that come later" {
    pod auth=approle secrets-type=static
    run_policy
    assert_refused_for auth approle "$PREFIX/approle-secret"
    pod auth=token
    run_policy
    assert_refused_for auth kubernetes approle
}

@test "approle-secret: a Secret brings the ids, also for static secrets" {
    pod auth=approle approle-secret=orders-ids secrets-type=static
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq '. as $pod | agent_configuration("tvsi-vault-agent-init").auto_auth[0].method[0].config[0]
        | [.role_id_file_path, .secret_id_file_path] as $files
        | [$pod | origin_of($files[]; "tvsi-vault-agent-init")]
        == [["secret", "orders-ids", "role-id"], ["secret", "orders-ids", "secret-id"]]'
    assert_jq 'container("orders").volumeMounts | length == 2'
}

@test "sa-token: the agent gets the volume that the application has there" {
    pod sa-token=/run/tokens/vault.jwt
    edit '.object.spec.volumes += [{name: "vault-token", projected: {sources: [{serviceAccountToken: {path: "vault.jwt"}}]}}]
        | .object.spec.containers[0].volumeMounts += [{name: "vault-token", mountPath: "/run/tokens"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container("tvsi-vault-agent") | mounts_of("vault-token")
        == [{name: "vault-token", mountPath: "/opt/talend/tvsi-login-token", readOnly: true}]'
    assert_jq 'agent_configuration.auto_auth[0].method[0].config[0].token_path
        == "/opt/talend/tvsi-login-token/vault.jwt"'
    # The token that it does not log in with is kept from it.
    assert_jq 'container("tvsi-vault-agent")
        | volume_at("/var/run/secrets/kubernetes.io/serviceaccount") == "tvsi-no-token"'
}

@test "sa-token where nothing is mounted: the agent gets a token of its own, with a warning" {
    pod sa-token=/run/tokens/vault.jwt
    run_policy
    assert_injected
    assert_warns_of sa-token /run/tokens
    assert_jq '. as $pod | container("tvsi-vault-agent") | volume_at("/opt/talend/tvsi-login-token") as $volume
        | [$pod | volume($volume).projected.sources[].serviceAccountToken.path] == ["token"]'
}

@test "vault-image: the agent of this pod has another image" {
    pod vault-image=registry.example.org/vault:1.21
    run_policy
    assert_injected
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template").image]
        == ["registry.example.org/vault:1.21", "hashicorp/consul-template:0.42.1"]'
}

@test "vault-namespace: agent and Consul Template use it" {
    pod vault-namespace=teams/shop
    run_policy '{"vault": {"namespace": "other"}}'
    assert_injected
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_NAMESPACE")]
        == ["teams/shop", "teams/shop"]'
}

# ---- Which secrets, and where they go

@test "secrets-path and secrets-destination: one file for each path" {
    pod secrets-path="secret/shop/mail, database/creds/shop" secrets-destination="mail.properties ,db/creds"
    run_policy
    assert_injected
    assert_jq '[consul_template_configuration.template[] | .destination]
        == ["/opt/talend/secrets/mail.properties", "/opt/talend/secrets/db/creds"]'
    assert_jq '[consul_template_configuration.template[].contents | match("with secret \"([^\"]*)\"").captures[0].string]
        == ["secret/shop/mail", "database/creds/shop"]'
}

@test "secrets-path and secrets-destination have to have as many items" {
    pod secrets-path=secret/a,secret/b secrets-destination=a,b,c
    run_policy
    assert_refused_for secrets-path "2 items" "$PREFIX/secrets-destination" 3
    pod secrets-destination=a,b
    run_policy
    assert_refused "$PREFIX/secrets-path" "$PREFIX/secrets-destination"
}

@test "secrets-destination stays below the secrets directory, and each file is written once" {
    local destination
    for destination in /etc/passwd a/../../b; do
        pod secrets-destination="$destination"
        run_policy
        assert_refused_for secrets-destination "item 1" relative
    done
    pod secrets-path=secret/a,secret/b secrets-destination=a,a
    run_policy
    assert_refused_for secrets-destination "item 2"
}

@test "secrets-template: templates separated by lines ---, in place of secrets-path" {
    local mail='{{ with secret "secret/shop/mail" }}{{ range $k, $v := .Data }}{{ $k }}:{{ $v }},{{ end }}{{ end }}'
    local rest='{{ with secret "secret/shop/rest" }}a --- b{{ end }}'
    pod secrets-destination=mail,rest secrets-path=secret/x,secret/y secrets-template="$mail"$'\n---\n'"$rest"$'\n'
    run_policy
    assert_injected
    assert_warns_of secrets-path "$PREFIX/secrets-template"
    assert_jq '[consul_template_configuration.template[].contents] == [$mail + "\n", $rest + "\n"]' \
        --arg mail "$mail" --arg rest "$rest"
}

@test "secrets-template: both old separators work, with a warning" {
    # With commas the template has \$ too, which the old shell needed.
    pod secrets-destination=mail,rest secrets-template='{{ with secret "a,b" }}{{ $v := 1 }}{{ \$v }}{{ end }},
{{ with secret "c" }}x{{ end }}'
    run_policy
    assert_injected
    assert_warns_of secrets-template commas "lines ---"
    assert_jq '[consul_template_configuration.template[].contents]
        == ["{{ with secret \"a,b\" }}{{ $v := 1 }}{{ $v }}{{ end }}", "{{ with secret \"c\" }}x{{ end }}"]'
    pod secrets-destination=mail,rest secrets-template='{{ with secret "a" }}x{{ end }}---{{ with secret "c" }}y{{ end }}'
    run_policy
    assert_injected
    assert_warns_of secrets-template "--- inside a line" "lines ---"
    assert_jq '[consul_template_configuration.template[].contents]
        == ["{{ with secret \"a\" }}x{{ end }}", "{{ with secret \"c\" }}y{{ end }}"]'
}

@test "secrets-template: what cannot be parsed is refused with its line, and so is a denied function" {
    pod secrets-template=$'{{ with secret "a" }}\nhunter2\n{{ if .Data }}x{{ end }}'
    run_policy
    assert_refused_for secrets-template "template 1, line 1" "{{ end }}"
    pod secrets-destination=a,b secrets-template=$'hunter2\n---\n\n{{ file "/etc/passwd" }}'
    run_policy
    assert_refused_for secrets-template "template 2, line 2" file restrictions.deniedTemplateFunctions
}

@test "notify: a command is run after a file has changed" {
    pod notify='wget -qO- "http://127.0.0.1:8080/reload?a,b"'
    run_policy
    assert_injected
    assert_jq 'consul_template_configuration.template[0].exec
        | .timeout == "30s" and .command[:2] == ["/bin/sh", "-c"]
          and .command[3:] == ["notify", "wget -qO- \"http://127.0.0.1:8080/reload?a,b\""]
          and (.command[2] | contains("wget") | not)'
}

@test "notify: several commands, by commas or lines, and fewer than files are fine" {
    local separator
    for separator in "," $'\n---\n'; do
        pod secrets-path=secret/a,secret/b,secret/c secrets-destination=a,b,c notify="true${separator}kill -HUP 1"
        run_policy
        assert_injected
        assert_jq '[consul_template_configuration.template[].exec.command[4]?] == ["true", "kill -HUP 1", null]'
    done
}

@test "secrets-mount-path: the application sees the files elsewhere, the sidecars keep theirs" {
    pod secrets-mount-path=/run/shop/secrets
    run_policy '{"secrets": {"mountPath": "/run/other"}}'
    assert_injected
    assert_jq 'container("orders") | mounts_of("secrets")
        == [{name: "secrets", mountPath: "/run/shop/secrets", readOnly: true}]'
    assert_jq 'container("tvsi-consul-template") | volume_at("/opt/talend/secrets") == "secrets"'
    assert_jq 'consul_template_configuration.template[0].destination == "/opt/talend/secrets/secrets.properties"'
}

@test "template-engine vault-agent: the agent renders, without a second sidecar" {
    pod template-engine=vault-agent notify=true
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["orders", "tvsi-vault-agent"]'
    assert_jq 'agent_configuration.template | only("template")
        | .destination == "/opt/talend/secrets/secrets.properties" and .wait == [{min: "1s", max: "2s"}]
          and .exec[0].command[-1] == "true" and .error_fatal == false'
    assert_jq 'agent_configuration | has("exit_after_auth") | not'
    assert_jq 'container("tvsi-vault-agent") | mounts_of("secrets")
        == [{name: "secrets", mountPath: "/opt/talend/secrets"}]'
}

@test "inject-containers: only these containers get the secrets, and the pod's init containers" {
    pod inject-containers=worker
    edit '.object.spec.containers += [{name: "worker", image: "registry.example.org/worker:1"}]
        | .object.spec.initContainers = [{name: "migrate", image: "registry.example.org/migrate:1"}]'
    run_policy
    assert_injected
    assert_jq '[all_containers[] | select(mounts_of("secrets") != []) | .name]
        == ["migrate", "worker", "tvsi-consul-template"]'
    edit '.object.metadata.annotations["\($prefix)/inject-containers"] = "orders,migrate"' --arg prefix "$PREFIX"
    run_policy
    assert_refused_for inject-containers "item 2" orders worker
}

@test "job-containers: the end of these containers is the job's end" {
    job_pod job-containers=main
    edit '.object.spec.containers += [{name: "main", image: "registry.example.org/main:1"}]'
    run_policy
    assert_injected
    assert_jq 'container("tvsi-job-babysitter").args[1:] == ["main=OnFailure"]'
    job_pod job-containers=main
    run_policy
    assert_refused_for job-containers "item 1" invoices
}

# ---- secrets-hook

@test "secrets-hook: the sidecars come first, and a hook waits for the files" {
    # Kubernetes expands nothing in hooks, so no $ is doubled.
    pod secrets-hook=true secrets-path=secret/a,secret/b secrets-destination='a,$(B)'
    edit '.object.spec.containers[0].lifecycle = {preStop: {sleep: {seconds: 1}}}'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container_names == ["tvsi-vault-agent", "tvsi-consul-template", "orders"]'
    assert_jq '.metadata.annotations["kubectl.kubernetes.io/default-container"] == "orders"'
    assert_jq 'container("orders").lifecycle.postStart.exec.command
        | .[:2] == ["/bin/sh", "-c"] and .[4:] == ["120", "/opt/talend/secrets/a", "/opt/talend/secrets/$(B)"]'
    assert_jq 'container("orders").lifecycle.preStop == {sleep: {seconds: 1}}'
}

@test "secrets-hook: an exec hook of the container's own runs after the wait, another kind is refused" {
    pod secrets-hook=yes
    edit '.object.spec.containers[0].lifecycle.postStart.exec.command = ["/warm-up", "--", "$(A) b"]
        | .object.metadata.annotations["kubectl.kubernetes.io/default-container"] = "other"'
    run_policy
    assert_injected
    assert_jq 'container("orders").lifecycle.postStart.exec.command[5:]
        == ["/opt/talend/secrets/secrets.properties", "--", "/warm-up", "--", "$(A) b"]'
    assert_jq '.metadata.annotations["kubectl.kubernetes.io/default-container"] == "other"'
    edit '.object.spec.containers[0].lifecycle.postStart = {httpGet: {port: 8080}}'
    run_policy
    assert_refused "container orders" exec "$PREFIX/secrets-hook"
}

@test "secrets-hook is refused in a job, and has no effect with native sidecars" {
    job_pod secrets-hook=true
    run_policy
    assert_refused_for secrets-hook "mode job"
    pod secrets-hook=true sidecars=native
    run_policy
    assert_injected
    assert_warns_of secrets-hook "native sidecars"
    assert_jq 'container("orders") | has("lifecycle") | not'
}

# ---- secrets-injection-method env

@test "secrets-injection-method env: the command of the application goes through a shell" {
    pod secrets-type=static secrets-injection-method=env secrets-path=secret/a,secret/b secrets-destination='a,$(B)'
    edit '.object.spec.containers[0] += {command: ["/orders", "$(HOME) x"], args: ["--a", "$(B)"]}'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent-init", "tvsi-env-init"] and container_names == ["orders"]'
    assert_jq 'container("tvsi-env-init").image == "busybox:1.37-musl"'
    assert_jq 'volume("tvsi-env").emptyDir == {medium: "Memory", sizeLimit: "4Mi"}'
    assert_jq 'container("orders") | mounts_of("tvsi-env")
        == [{name: "tvsi-env", mountPath: "/opt/talend/tvsi-env", readOnly: true}]'
    assert_jq 'container("tvsi-env-init") | mounts_of("tvsi-env")
        == [{name: "tvsi-env", mountPath: "/opt/talend/tvsi-env"}]'
    # What is the policy's is as it is to the program, and what is the user's as it was submitted.
    assert_jq 'container("orders").command
        | (.[0] | startswith("/opt/talend/tvsi-env/")) and .[-2:] == ["/orders", "$(HOME) x"]
          and (.[:-2] | map(expanded)
            | .[1:3] == ["sh", "-c"]
              and .[-4:] == ["--", "/opt/talend/secrets/a", "/opt/talend/secrets/$(B)", "--"]
              and any(.[]; split(" ") | (index("PATH") != null) and (index("LD_*") != null)))'
    assert_jq 'container("orders").args == ["--a", "$(B)"]'
}

@test "secrets-injection-method env needs static secrets and a command" {
    pod secrets-injection-method=env
    run_policy
    assert_refused_for secrets-injection-method "$PREFIX/secrets-type: static"
    pod secrets-type=static secrets-injection-method=env
    run_policy
    assert_refused "container orders" command "$PREFIX/secrets-injection-method"
}

# ---- proxy-port

@test "proxy-port: the agent listens there" {
    pod mode=proxy proxy-port=9999
    run_policy
    assert_injected
    assert_jq 'agent_configuration.listener[0].address == "127.0.0.1:9999"'
}

@test "proxy-port is a free port, and not the node's" {
    pod mode=proxy proxy-port=65536
    run_policy
    assert_refused_for proxy-port "1 to 65535"
    pod mode=proxy proxy-port=8080
    run_policy
    assert_refused "container orders" 8080 "$PREFIX/proxy-port"
    pod mode=proxy
    edit '.object.spec.hostNetwork = true'
    run_policy
    assert_refused_for mode proxy hostNetwork
}

# ---- sidecars

@test "sidecars native: init containers that keep running, before the pod's own" {
    pod sidecars=native secrets-path=secret/a,secret/b secrets-destination='a,$(B)'
    edit '.object.spec.initContainers = [{name: "migrate", image: "registry.example.org/migrate:1"}]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent", "tvsi-consul-template", "migrate"]'
    assert_jq 'container_names == ["orders"]'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template")
            | .restartPolicy == "Always" and .startupProbe.periodSeconds == 2
              and .startupProbe.periodSeconds * .startupProbe.failureThreshold == 600] == [true, true]'
    assert_jq 'container("tvsi-vault-agent").startupProbe.exec.command[4:] == ["/opt/talend/tvsi/.vault-token", ""]'
    assert_jq 'container("tvsi-consul-template").startupProbe.exec.command | map(expanded)
        | .[:2] == ["/bin/sh", "-c"] and .[4:] == ["", "", "/opt/talend/secrets/a", "/opt/talend/secrets/$(B)"]'
    # They end when the application has ended: there is nothing to wait for.
    assert_jq 'container("tvsi-vault-agent").args[1:] == ["0"]'
}

@test "sidecars native in a job: neither babysitter nor check" {
    job_pod sidecars=native mode=secrets,proxy,job proxy-port=8300
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'init_container_names == ["tvsi-vault-agent", "tvsi-consul-template"]'
    assert_jq 'container_names == ["invoices"] and (volume_names | index("tvsi-job") == null)'
    assert_jq 'container("tvsi-vault-agent").startupProbe.exec.command[4:] == ["/opt/talend/tvsi/.vault-token", "8300"]'
}

@test "sidecars native with template-engine vault-agent: the application waits for the files" {
    pod sidecars=native template-engine=vault-agent
    run_policy
    assert_injected
    assert_jq 'init_container_names == ["tvsi-vault-agent"]'
    assert_jq 'container("tvsi-vault-agent").startupProbe.exec.command[4:]
        == ["", "", "/opt/talend/secrets/secrets.properties"]'
}

# ---- share-process-namespace, resources

@test "share-process-namespace: the containers see each other's processes" {
    pod share-process-namespace=true
    run_policy
    assert_injected
    assert_jq '.spec.shareProcessNamespace == true'
    edit '.object.spec.shareProcessNamespace = false'
    run_policy
    assert_refused_for share-process-namespace spec.shareProcessNamespace
}

@test "requests and limits: each amount of agent and Consul Template" {
    pod agent-requests-cpu=1m agent-requests-memory=2Mi agent-limits-cpu=3m agent-limits-memory=4Mi \
        consul-template-requests-cpu=5m consul-template-requests-memory=6Mi \
        consul-template-limits-cpu=7m consul-template-limits-memory=8Mi
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template").resources] == [
        {requests: {cpu: "1m", memory: "2Mi"}, limits: {cpu: "3m", memory: "4Mi"}},
        {requests: {cpu: "5m", memory: "6Mi"}, limits: {cpu: "7m", memory: "8Mi"}}
      ]'
    pod agent-requests-cpu=2
    run_policy
    assert_refused_for agent-requests-cpu 250m agent-limits-cpu
}

# ---- Jobs

@test "a pod that a Job has made is in mode job by itself, and no job waits for the proxy of a service mesh" {
    job_pod
    edit '.object.spec.containers += [
        {name: "istio-proxy", image: "istio/proxyv2:1"},
        {name: "report", image: "registry.example.org/report:1", restartPolicy: "Never"}
      ]'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'container("tvsi-job-babysitter").args[1:] == ["invoices=OnFailure", "report=Never"]'
    assert_jq 'container("istio-proxy") == {name: "istio-proxy", image: "istio/proxyv2:1"}'
    assert_jq 'init_container_names == ["tvsi-job-babysitter-init"]'
}

@test "a pod that can end, but whose sidecars do not, is warned of" {
    job_pod
    edit 'del(.object.metadata.ownerReferences)'
    run_policy
    assert_injected
    assert_warns "mode job"
    assert_jq 'container_names == ["invoices", "tvsi-vault-agent", "tvsi-consul-template"]'
}

@test "pods for Windows are refused" {
    pod
    edit '.object.spec.os.name = "windows"'
    run_policy
    assert_refused windows linux
}

# ---- Workloads

@test "workloads of every kind are checked and never changed" {
    local kind
    for kind in Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob; do
        # The warning shows that the template has been looked at.
        workload "$kind" secret-path=secret/a
        run_policy
        assert_untouched
        assert_warns_of secret-path "secrets-path?"
    done
}

@test "a mistake in a workload is refused when it is applied" {
    workload Deployment auth=ldap
    run_policy
    assert_refused_for auth '"ldap"' kubernetes approle
    # As of a job, of which the template does not say that it is one.
    workload CronJob secrets-hook=true
    run_policy
    assert_refused_for secrets-hook "mode job"
}

@test "inject on the workload itself has no effect, which is warned of" {
    workload CronJob
    edit '.object |= (
        .metadata.annotations = .spec.jobTemplate.spec.template.metadata.annotations
        | del(.spec.jobTemplate.spec.template.metadata.annotations)
      )'
    run_policy
    assert_untouched
    assert_warns_of inject spec.jobTemplate.spec.template.metadata.annotations
}

@test "an update is checked only if it changes the template" {
    workload Deployment auth=ldap
    update_by '.spec.replicas = 5'
    run_policy
    assert_untouched
    workload Deployment auth=ldap
    update_by '.spec.template.spec.containers[0].image = "registry.example.org/shop/orders:3"'
    run_policy
    assert_refused_for auth kubernetes approle
}

@test "nothing that is running is blocked: workloads that are controlled or being deleted are not checked" {
    workload ReplicaSet auth=ldap
    edit '.object.metadata.ownerReferences = [{apiVersion: "apps/v1", kind: "Deployment", name: "shop", controller: true}]'
    run_policy
    assert_untouched
    workload Deployment auth=ldap
    update_by '.metadata.deletionTimestamp = "2026-11-23T09:30:12Z" | .spec.template.spec.priority = 1'
    run_policy
    assert_untouched
}

# ---- Mistakes

@test "an unknown annotation is told as a warning with the nearest known one, also if the pod is refused" {
    pod secret-destination=a serverless-mode=yes
    run_policy
    assert_injected
    assert_warns "annotation $PREFIX/secret-destination is unknown" "secrets-destination?"
    assert_warns "annotation $PREFIX/serverless-mode is unknown"
    pod rolle=shop
    edit 'del(.object.metadata.labels)'
    run_policy
    assert_refused "$PREFIX/role"
    assert_warns_of rolle "role?"
}

@test "annotations that have no effect are warned of" {
    pod mode=proxy secrets-path=secret/a secrets-hook=true job-containers=orders approle-secret=ids \
        consul-template-limits-cpu=1
    run_policy
    assert_injected
    local key
    for key in secrets-path secrets-hook job-containers approle-secret consul-template-limits-cpu; do
        assert_warns_of "$key" "no effect"
    done
    pod proxy-port=9999
    run_policy
    assert_injected
    assert_warns_of proxy-port "no effect" "mode proxy"
}

@test "empty annotations are refused, and annotations that are no strings" {
    pod role=
    run_policy
    assert_refused_for role empty
    pod
    edit '.object.metadata.annotations["\($prefix)/proxy-port"] = 8200' --arg prefix "$PREFIX"
    run_policy
    assert_refused_for proxy-port quotes
}

@test "messages never show what was submitted" {
    # assert_refused looks for the credential and at the size.
    local long
    printf -v long '%99000s' ''
    long=hunter2${long// /x}
    pod mode="$long"
    run_policy
    assert_refused_for mode secrets proxy job
    pod role="$long"
    run_policy
    assert_refused_for role bytes 1024
    pod notify=$'hunter2 \x07'
    run_policy
    assert_refused_for notify "control character"
    pod secrets-template="$long"
    run_policy
    assert_refused_for secrets-template "template 1" "99007 bytes" 98304
    pod
    edit '.object.spec.containers = {password: "hunter2"}'
    run_policy
    assert_refused spec.containers list
}

@test "a pod cannot ask for more than fits" {
    local many
    many=$(seq -s , 257)
    pod secrets-path="$many" secrets-destination="$many"
    run_policy
    assert_refused_for secrets-destination "257 items" 256
    many=$(seq -s , 250)
    pod secrets-path="$many" secrets-destination="$many"
    run_policy
    assert_refused TVSI_CONSUL_TEMPLATE_CONFIG 128000
}

# ---- Hostile values

@test "values of annotations do not leave their place" {
    local shell=$'\'"`id`$(id) $$ ${HOME} \\ ; #'
    local path='secret/a" }}{{ plugin "x" }}\$(POD_NAME)'
    pod
    run_policy
    cp "$OUTCOME" "$BATS_TEST_TMPDIR/benign.json"
    pod role="$shell" vault-namespace="$shell" notify="$shell" secrets-path="$path" secrets-destination="$shell" \
        secrets-mount-path='/run/$(A) "b'
    run_policy
    assert_injected
    assert_no_warnings
    assert_jq 'agent_configuration.auto_auth[0].method[0].config[0].role == $value' --arg value "$shell"
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | variable("VAULT_NAMESPACE")] == [$value, $value]' \
        --arg value "$shell"
    assert_jq 'consul_template_configuration.template | only("template")
        | .destination == "/opt/talend/secrets/\($value)" and .exec.command[4:] == [$value]
          and (.exec.command[2] | contains("id") | not)' --arg value "$shell"
    # The path is a string of the template's; Go and JSON write this one in the same way.
    assert_jq 'consul_template_configuration.template[0].contents
        | startswith("{{ with secret \($path | tojson) }}{{ $data := .Data }}")' --arg path "$path"
    # Kubernetes expands nothing in mount paths.
    assert_jq 'container("orders") | mounts_of("secrets")[0].mountPath == "/run/$(A) \"b"'
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | .command, .args]
        == [$benign[0].pod | container("tvsi-vault-agent", "tvsi-consul-template") | .command, .args]' \
        --slurpfile benign "$BATS_TEST_TMPDIR/benign.json"
}

@test "a line break is refused wherever one line is meant" {
    local key
    for key in secrets-path role; do
        pod "$key"=$'/a\n/hunter2'
        run_policy
        assert_refused_for "$key" "line break"
    done
}

# ---- Settings

@test "docs/settings-example.yaml is what the defaults are" {
    job_pod mode=secrets,proxy,job secrets-path=secret/a
    run_policy
    assert_injected
    cp "$RESPONSE" "$BATS_TEST_TMPDIR/defaults.json"
    evaluate --settings-path docs/settings-example.yaml
    cmp "$RESPONSE" "$BATS_TEST_TMPDIR/defaults.json"
}

@test "setting vault: address, namespace, login and TLS" {
    pod
    run_policy '{"vault": {
        "address": "https://vault.example.org", "namespace": "team",
        "auth": {"kubernetes": {"path": "team/kubernetes", "tokenAudience": "vault"}},
        "tls": {
          "skipVerify": false, "serverName": "vault.internal", "ca": {"secretName": "authority", "key": "root.pem"},
          "clientCertificate": {"secretName": "client", "certificateKey": "c.pem", "privateKeyKey": "k.pem"}
        }
      }}'
    assert_injected
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template")
            | variable("VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_TLS_SERVER_NAME")]
        == ["https://vault.example.org", "team", "vault.internal", "https://vault.example.org", "team", "vault.internal"]'
    assert_jq '[. as $pod | ("tvsi-vault-agent", "tvsi-consul-template") as $name
            | container($name) | variable("VAULT_CACERT", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY") as $file
            | $pod | origin_of($file; $name)]
        == ([["secret", "authority", "root.pem"], ["secret", "client", "c.pem"], ["secret", "client", "k.pem"]]
          | . + .)'
    # Some agents take any value of this variable for true.
    assert_jq '[container("tvsi-vault-agent", "tvsi-consul-template") | has_variable("VAULT_SKIP_VERIFY")]
        == [false, false]'
    assert_jq 'agent_configuration.auto_auth[0].method[0].mount_path == "auth/team/kubernetes"'
    assert_jq '. as $pod
        | container("tvsi-vault-agent") | volume_at("/var/run/secrets/kubernetes.io/serviceaccount") as $volume
        | $pod | [volume($volume).projected.sources[].serviceAccountToken] | only("token")
        | .audience == "vault" and .path == "token" and .expirationSeconds >= 600'
}

@test "setting vault.auth.kubernetes.tokenAudience gives way to sa-token" {
    local directory=/var/run/secrets/kubernetes.io/serviceaccount
    local settings='{"vault": {"auth": {"kubernetes": {"tokenAudience": "vault"}}}}'
    pod
    run_policy "$settings"
    assert_injected
    assert_jq 'container("tvsi-vault-agent") | volume_at($directory) | startswith("tvsi-")' --arg directory "$directory"
    pod sa-token="$directory/token"
    run_policy "$settings"
    assert_injected
    assert_jq 'container("tvsi-vault-agent") | volume_at($directory) == "kube-api-access-tq8zd"' \
        --arg directory "$directory"
}

@test "setting vault.tls: an authority from a ConfigMap, and no verification" {
    pod
    run_policy '{"vault": {"tls": {"skipVerify": true, "ca": {"configMapName": "authority"}}}}'
    assert_injected
    assert_jq '[. as $pod | ("tvsi-vault-agent", "tvsi-consul-template") as $name
            | container($name) | variable("VAULT_SKIP_VERIFY"), (variable("VAULT_CACERT") as $file
            | $pod | origin_of($file; $name))]
        == (["true", ["configMap", "authority", "ca.crt"]] | . + .)'
}

@test "setting vault.auth.approle: path and files" {
    pod auth=approle
    run_policy '{"vault": {"auth": {"approle": {"path": "team/approle", "roleIdFile": "r", "secretIdFile": "s"}}}}'
    assert_injected
    assert_warns "init container"
    assert_jq 'agent_configuration.auto_auth[0].method[0]
        | .mount_path == "auth/team/approle" and .config[0].role_id_file_path == "/opt/talend/secrets/r"
          and .config[0].secret_id_file_path == "/opt/talend/secrets/s"'
}

@test "setting vault.revokeGraceSeconds: at most half of what the pod has to end" {
    pod
    run_policy '{"vault": {"revokeGraceSeconds": 12}}'
    assert_jq 'container("tvsi-vault-agent").args[1:] == ["12"]'
    edit '.object.spec.terminationGracePeriodSeconds = 20'
    run_policy '{"vault": {"revokeGraceSeconds": 12}}'
    assert_jq 'container("tvsi-vault-agent").args[1:] == ["10"]'
}

@test "setting annotations: prefix and labels" {
    pod
    edit '.object.metadata.annotations = {"secrets.example.org/inject": "true", "\($prefix)/mode": "proxy"}
        | .object.metadata.labels += {app: "web", "example.org/component": "front"}' --arg prefix "$PREFIX"
    run_policy '{"annotations": {
        "prefix": "secrets.example.org", "applicationLabel": "app", "serviceLabel": "example.org/component"
      }}'
    assert_injected secrets.example.org
    assert_no_warnings
    assert_jq 'agent_configuration.auto_auth[0].method[0].config[0].role == "web"'
    assert_jq 'consul_template_configuration.template[0].contents | contains("secret \"secret/web/front\"")'
}

@test "setting secrets: where and how the files are" {
    pod secrets-hook=true
    run_policy '{"secrets": {
        "mountPath": "/run/shop", "readOnly": false, "sizeLimit": "1Mi", "filePermissions": "0640",
        "hookTimeoutSeconds": 45, "refreshSeconds": 30, "errorOnMissingKey": true
      }}'
    assert_injected
    assert_jq 'container("orders") | mounts_of("secrets") == [{name: "secrets", mountPath: "/run/shop"}]'
    assert_jq 'volume("secrets").emptyDir == {medium: "Memory", sizeLimit: "1Mi"}'
    assert_jq 'container("orders").lifecycle.postStart.exec.command[4:] == ["45", "/run/shop/secrets.properties"]'
    assert_jq 'consul_template_configuration | .vault.default_lease_duration == "30s"
        and .template[0].perms == "0640" and .template[0].error_on_missing_key == true
        and .template[0].destination == "/opt/talend/secrets/secrets.properties"'
}

@test "settings sidecars and templateEngine: the annotations come first" {
    local settings='{
        "sidecars": "native", "templateEngine": "vault-agent", "secrets": {"sizeLimit": null, "refreshSeconds": 30}
      }'
    pod
    run_policy "$settings"
    assert_injected
    assert_jq 'init_container_names == ["tvsi-vault-agent"] and container_names == ["orders"]'
    assert_jq 'agent_configuration.template_config[0].static_secret_render_interval == "30s"'
    assert_jq 'volume("secrets").emptyDir == {medium: "Memory"}'
    pod sidecars=classic template-engine=consul-template
    run_policy "$settings"
    assert_injected
    assert_jq 'container_names == ["orders", "tvsi-vault-agent", "tvsi-consul-template"]'
}

@test "settings agent, consulTemplate, jobBabysitter: images, pull policies, resources, logs" {
    job_pod
    run_policy '{
        "agent": {
          "image": "example.org/a:1", "imagePullPolicy": "Always", "logLevel": "debug", "logFormat": "json",
          "resources": {"requests": {"cpu": 1}, "limits": {"cpu": null, "memory": "1Gi"}}
        },
        "consulTemplate": {
          "image": "example.org/c:1", "imagePullPolicy": "Never", "logLevel": "warn", "resources": null
        },
        "jobBabysitter": {
          "image": "example.org/b:1", "imagePullPolicy": "IfNotPresent", "resources": {"limits": null}
        }
      }'
    assert_injected
    assert_jq '[injected_containers[] | [.name, .image, .imagePullPolicy]] == [
        ["tvsi-job-babysitter-init", "example.org/b:1", "IfNotPresent"],
        ["tvsi-vault-agent", "example.org/a:1", "Always"],
        ["tvsi-consul-template", "example.org/c:1", "Never"],
        ["tvsi-job-babysitter", "example.org/b:1", "IfNotPresent"]
      ]'
    assert_jq 'container("tvsi-vault-agent").resources
        == {requests: {cpu: "1", memory: "64Mi"}, limits: {memory: "1Gi"}}'
    assert_jq 'container("tvsi-consul-template").resources == null'
    assert_jq 'container("tvsi-job-babysitter").resources == {requests: {cpu: "10m", memory: "32Mi"}}'
    assert_jq 'agent_configuration | .log_level == "debug" and .log_format == "json"'
    assert_jq 'consul_template_configuration.log_level == "warn"'
}

@test "setting envShell: image, pull policy, resources and denied names; securityContext can be left to the images" {
    pod secrets-type=static secrets-injection-method=env
    edit '.object.spec.containers[0].command = ["/orders"]'
    run_policy '{"envShell": {
        "image": "example.org/shell:1", "imagePullPolicy": "Always", "resources": {"requests": null},
        "deniedNames": ["SHOP_*"]
      }, "securityContext": null}'
    assert_injected
    assert_jq 'container("tvsi-env-init") | .image == "example.org/shell:1" and .imagePullPolicy == "Always"
        and .resources == {limits: {cpu: "50m", memory: "32Mi"}}'
    assert_jq 'container("orders").command[-5:]
        == ["SHOP_*", "--", "/opt/talend/secrets/secrets.properties", "--", "/orders"]'
    assert_jq 'container("orders").command | index("PATH") == null'
    assert_jq '[injected_containers[].securityContext] == [null, null]'
}

@test "setting imagePullSecrets: added to those of the pod, each once" {
    pod
    edit '.object.spec.imagePullSecrets = [{name: "shop"}, {name: "platform"}]'
    run_policy '{"imagePullSecrets": ["platform", "vault"]}'
    assert_injected
    assert_jq '.spec.imagePullSecrets == [{name: "shop"}, {name: "platform"}, {name: "vault"}]'
}

@test "setting securityContext: of every injected container" {
    pod
    run_policy '{"securityContext": {
        "runAsUser": 0, "runAsGroup": null, "runAsNonRoot": false, "readOnlyRootFilesystem": null,
        "allowPrivilegeEscalation": true, "capabilities": {"add": ["IPC_LOCK"], "drop": ["NET_RAW"]},
        "seccompProfile": {"type": "Localhost", "localhostProfile": "vault.json"}
      }}'
    assert_injected
    assert_jq '[injected_containers[].securityContext] | unique == [{
        runAsUser: 0, runAsNonRoot: false, allowPrivilegeEscalation: true,
        capabilities: {add: ["IPC_LOCK"], drop: ["NET_RAW"]},
        seccompProfile: {type: "Localhost", localhostProfile: "vault.json"}
      }]'
}

@test "setting jobs: autoDetect and ignoredContainers" {
    job_pod
    run_policy '{"jobs": {"autoDetect": false}}'
    assert_injected
    assert_warns "mode job"
    assert_jq 'container_names == ["invoices", "tvsi-vault-agent", "tvsi-consul-template"]'
    edit '.object.spec.containers += [{name: "telemetry", image: "x"}, {name: "istio-proxy", image: "x"}]'
    run_policy '{"jobs": {"ignoredContainers": ["telemetry"]}}'
    assert_injected
    assert_jq 'container("tvsi-job-babysitter").args[1:] == ["invoices=OnFailure", "istio-proxy=OnFailure"]'
    assert_jq '[.spec.containers[] | select(mounts_of("secrets") != []) | .name]
        == ["invoices", "istio-proxy", "tvsi-consul-template"]'
}

@test "setting ignoredNamespaces: in place of the default ones" {
    pod
    run_policy '{"ignoredNamespaces": ["shop"]}'
    assert_untouched
    edit '.namespace = "kube-system"'
    run_policy '{"ignoredNamespaces": ["shop"]}'
    assert_injected
}

@test "restrictions.allowedImages" {
    local settings='{"restrictions": {"allowedImages": ["registry.example.org/vault:*"]}}'
    pod vault-image=registry.example.org/vault:1.21
    run_policy "$settings"
    assert_injected
    pod vault-image=registry.example.org/team/vault:1.21
    run_policy "$settings"
    assert_refused_for vault-image restrictions.allowedImages 'registry.example.org/vault:*'
}

@test "restrictions.allowedRoles: from the annotation and from the label" {
    local settings='{"restrictions": {"allowedRoles": ["{namespace}_{serviceAccount}_*"]}}'
    pod role=shop_orders_reader
    run_policy "$settings"
    assert_injected
    pod
    run_policy "$settings"
    assert_refused "label com.talend.application" restrictions.allowedRoles '{namespace}_{serviceAccount}_*'
}

@test "restrictions.allowedVaultPaths: paths however they are written, and templates" {
    local path settings='{"restrictions": {"allowedVaultPaths": ["secret/{namespace}/**"]}}'
    pod secrets-path=secret/data/shop/a/b
    run_policy "$settings"
    assert_injected
    pod secrets-path=secret/team/a
    run_policy "$settings"
    assert_refused_for secrets-path restrictions.allowedVaultPaths
    # Whatever the settings say.
    for path in secret/shop/../team/a secret/%73hop/a 'secret/shop/a?version=2' ///; do
        pod secrets-path="$path"
        run_policy
        assert_refused_for secrets-path 'plain path'
    done
    pod secrets-template='{{ with secret "secret/shop/a" }}{{ end }}'
    run_policy "$settings"
    assert_refused_for secrets-template restrictions.allowedVaultPaths secrets-path
}

@test "restrictions.allowTemplates" {
    pod secrets-template='{{ with secret "secret/shop/a" }}{{ end }}'
    run_policy '{"restrictions": {"allowTemplates": false}}'
    assert_refused_for secrets-template restrictions.allowTemplates
    run_policy '{"restrictions": {"allowTemplates": true, "allowedVaultPaths": []}}'
    assert_injected
}

@test "restrictions.lockedAnnotations" {
    pod notify=true
    run_policy '{"restrictions": {"lockedAnnotations": ["vault-image", "notify"]}}'
    assert_refused_for notify restrictions.lockedAnnotations
    # What does the same.
    pod workload=job
    edit '.object.spec.restartPolicy = "Never"'
    run_policy '{"restrictions": {"lockedAnnotations": ["mode"]}}'
    assert_refused_for workload restrictions.lockedAnnotations
}

@test "restrictions.sharedProcesses" {
    pod share-process-namespace=true
    run_policy
    assert_injected
    assert_warns restrictions.sharedProcesses
    run_policy '{"restrictions": {"sharedProcesses": "refuse"}}'
    assert_refused restrictions.sharedProcesses
    run_policy '{"restrictions": {"sharedProcesses": "allow"}}'
    assert_injected
}

@test "what is the policy's is nobody else's" {
    pod
    edit '.object.spec.containers[0].volumeMounts += [{name: "tvsi-shared", mountPath: "/steal"}]'
    run_policy
    assert_refused tvsi-shared
    pod sa-token=/bin/token
    edit '.object.spec.containers[0].volumeMounts += [{name: "evil", mountPath: "/bin"}]
        | .object.spec.volumes += [{name: "evil", configMap: {name: "evil"}}]'
    run_policy
    assert_refused_for sa-token evil
    pod secrets-destination=x/consul-template.json
    edit '.object.spec.containers[0].volumeMounts += [{name: "secrets", mountPath: "/opt/talend/secrets"}]'
    run_policy
    assert_refused_for secrets-destination readOnly
}

@test "a pod that is injected keeps its sidecars" {
    pod
    edit '.operation = "UPDATE"
        | .object.metadata.annotations["sidecar.vault.talend.org/status"] = "injected"
        | .object.spec.containers += [{name: "tvsi-vault-agent", image: "hashicorp/vault:2.0.4"}]
        | .oldObject = .object | .object.spec.containers[-1].image = "registry.example.org/evil:1"'
    run_policy
    assert_refused tvsi-vault-agent
    edit '.object = .oldObject | .subResource = "ephemeralcontainers"
        | .object.spec.ephemeralContainers = [{name: "debugger", targetContainerName: "tvsi-vault-agent"}]'
    run_policy
    assert_refused debugger tvsi-vault-agent
}

@test "restrictions.deniedTemplateFunctions: at admission and when the template runs" {
    local settings='{"restrictions": {"deniedTemplateFunctions": ["key", "sprig_*"]}}'
    pod secrets-template='{{ file "/a" }}{{ with secret "secret/shop/a" }}{{ end }}'
    run_policy "$settings"
    assert_injected
    assert_jq 'consul_template_configuration.template[0].function_denylist == ["key", "sprig_*"]'
    pod secrets-template='{{ sprig_env "HOME" }}'
    run_policy "$settings"
    assert_refused_for secrets-template sprig_env restrictions.deniedTemplateFunctions
}

@test "settings that are not valid are refused with every problem" {
    pod
    assert_settings_refused '{
        "vault": {"address": "vault:8200", "adress": "x", "tls": {"ca": {"secretName": "a", "configMapName": "b"}}},
        "annotations": {"prefix": "a/b"},
        "secrets": {"mountPath": "secrets", "filePermissions": 644, "readOnly": "yes", "refreshSeconds": 0},
        "sidecars": "sidecar",
        "agent": {"image": "", "resources": {"requests": {"memory": "1Gi"}}},
        "securityContext": {"seccompProfile": {"type": "Localhost"}},
        "jobs": [],
        "ignoredNamespaces": ["a", 5],
        "restrictions": {"lockedAnnotations": ["inject"]},
        "no-such-setting": true
      }' \
        "Provided settings are not valid" \
        'vault.address: expected a URL' 'vault.adress: unknown setting; did you mean `address`?' \
        vault.tls.ca.configMapName: annotations.prefix: \
        secrets.mountPath: secrets.filePermissions: secrets.readOnly: secrets.refreshSeconds: \
        'sidecars: expected one of classic, native' agent.image: agent.resources.requests.memory: \
        securityContext.seccompProfile.localhostProfile: 'jobs: expected an object' 'ignoredNamespaces: item 2' \
        'restrictions.lockedAnnotations: item 1' 'no-such-setting: unknown setting'
    assert_settings_refused '[]'
}
