#!/usr/bin/env bash
# Measures how many admission requests policy-server answers with this policy, with the least that a policy does, and,
# where vault-k8s is on PATH, HashiCorp's Agent Injector: in turns in one run, each server on one core and the load on
# another, all by HTTPS. What it prints is the table of docs/performance.md.
#
#     webhooks.sh POLICY BASELINE
#
# Both are modules with metadata. KUBECONFIG names the cluster that vault-k8s wants to be in.
set -euo pipefail

policy=$(realpath "$1")
baseline=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../../.." && pwd)
turns=${TURNS:-8}
seconds=${SECONDS_EACH:-3}

work=$(mktemp -d)
created=
finish() {
    # shellcheck disable=SC2046
    kill $(jobs -p) 2>/dev/null || true
    rm -rf "$work"
    if [ -n "$created" ]; then
        kubectl delete clusterrole,clusterrolebinding webhook-load --ignore-not-found >/dev/null || true
    fi
}
trap finish EXIT
cd "$work"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2>/dev/null
jq --null-input --arg policy "file://$policy" --arg baseline "file://$baseline" '{
    policy: {module: $policy, allowedToMutate: true, settings: {}},
    baseline: {module: $baseline, allowedToMutate: true, settings: {}}
}' >policies.yml
taskset -c 0 policy-server --policies policies.yml --addr 127.0.0.1 --port 3443 --readiness-probe-port 3444 --workers 1 \
    --cert-file tls.crt --key-file tls.key --ignore-kubernetes-connection-failure --log-level error >policy-server.log 2>&1 &

# The requests of test_data, and the pod that requests injection with the Agent Injector's annotations.
requests=$repository/test_data/requests
review() {
    jq '{apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: .}' "$1"
}
review "$requests/deployment-pod.json" >annotated.json
review "$requests/plain-pod.json" >plain.json
jq '.request.object.metadata.annotations = {
    "vault.hashicorp.com/agent-inject": "true",
    "vault.hashicorp.com/role": "shop",
    "vault.hashicorp.com/agent-inject-secret-secrets.properties": "secret/shop/orders"
}' annotated.json >agent-injector.json

names=(baseline policy)
urls=(https://127.0.0.1:3443/validate/baseline https://127.0.0.1:3443/validate/policy)
if command -v vault-k8s >/dev/null; then
    # It looks for the cluster that a pod is in.
    address=$(kubectl config view --minify --output 'jsonpath={.clusters[0].cluster.server}')
    address=${address#https://}
    account=$work/serviceaccount
    mkdir "$account"
    # Without it, vault-k8s has no certificate for a client that sends a server's name, as wrk does.
    created=yes
    kubectl create clusterrole webhook-load --verb get,list,watch \
        --resource mutatingwebhookconfigurations.admissionregistration.k8s.io >/dev/null
    kubectl create clusterrolebinding webhook-load --clusterrole webhook-load --serviceaccount default:default >/dev/null
    kubectl create token default --namespace default --duration 1h >"$account/token"
    kubectl config view --minify --raw --output 'jsonpath={.clusters[0].cluster.certificate-authority-data}' |
        base64 -d >"$account/ca.crt"
    # shellcheck disable=SC2016
    KUBERNETES_SERVICE_HOST=${address%:*} KUBERNETES_SERVICE_PORT=${address#*:} AGENT_INJECT_VAULT_ADDR=http://vault:8200 \
        GOMAXPROCS=1 unshare --mount sh -c '
            mount -t tmpfs tmpfs /var/run
            mkdir -p /var/run/secrets/kubernetes.io
            cp -r "$1" /var/run/secrets/kubernetes.io/serviceaccount
            exec taskset -c 0 vault-k8s agent-inject -listen 127.0.0.1:3445 -tls-cert-file tls.crt -tls-key-file tls.key \
                -log-level error
        ' vault-k8s "$account" >vault-k8s.log 2>&1 &
    names+=(vault-k8s)
    urls+=(https://127.0.0.1:3445/mutate)
fi

for url in "${urls[@]}"; do
    for ((tries = 0; ; tries++)); do
        curl --silent --insecure --output /dev/null "$url" && break
        [ $tries -lt 120 ] || { cat ./*.log; exit 1; } >&2
        sleep 1
    done
done

# The request that a server gets for a kind of pod.
request() {
    if [ "$1" = vault-k8s ] && [ "$2" = annotated ]; then
        echo agent-injector.json
    else
        echo "$2.json"
    fi
}

# Fails unless the server answers as it must: with a patch for a pod that requests injection, except the baseline.
check() {
    local answer patch
    answer=$(curl --silent --insecure --fail --header 'Content-Type: application/json' \
        --data-binary "@$(request "$1" "$3")" "$2")
    patch=$(jq --raw-output '.response | if .allowed then (.patch // "" | length > 0) else "rejected" end' <<<"$answer")
    if [ "$patch" != "$([ "$1" != baseline ] && [ "$3" = annotated ] && echo true || echo false)" ]; then
        printf '%s answers for the %s pod: %s\n' "$1" "$3" "$answer" >&2
        exit 1
    fi
}

# measure NAME URL BODY SECONDS: a line with failures, requests per second, and percentiles in microseconds.
measure() {
    taskset -c 1 wrk --threads 1 --connections 4 --duration "${4}s" --script "$here/post.lua" "$2" -- "$3" |
        sed --quiet "s/^result /$1 /p"
}

for body in annotated plain; do
    : >results
    for index in "${!names[@]}"; do
        check "${names[$index]}" "${urls[$index]}" $body
    done
    for ((turn = 0; turn <= turns; turn++)); do
        for index in "${!names[@]}"; do
            name=${names[$index]}
            file=$(request "$name" $body)
            line=$(measure "$name" "${urls[$index]}" "$file" "$([ $turn = 0 ] && echo 1 || echo "$seconds")")
            # The first turn warms up.
            [ $turn = 0 ] || printf '%s %s\n' "$turn" "$line" >>results
        done
    done
    if grep --quiet --invert-match --extended-regexp '^[0-9]+ [^ ]+ 0 ' results; then
        printf 'requests failed:\n' >&2
        cat results >&2
        exit 1
    fi
    printf '| %s pod | requests/s | ratio to the baseline | p50, ms | p99, ms |\n| --- | --- | --- | --- | --- |\n' "$body"
    for name in "${names[@]}"; do
        jq --raw-input --slurp --raw-output --arg name "$name" '
            def median: sort | .[length / 2 | floor];
            def fixed(digits): pow(10; digits) as $power | . * $power | round / $power;
            [splits("\n") | select(. != "") | split(" ")
                | {turn: .[0], name: .[1], rate: (.[3] | tonumber), p50: (.[4] | tonumber), p99: (.[5] | tonumber)}]
            | (map(select(.name == "baseline") | {(.turn): .rate}) | add) as $baseline
            | map(select(.name == $name))
            | "| \($name) | \(map(.rate) | median | round) | \(map(.rate / $baseline[.turn]) | median | fixed(2)) "
                + "| \(map(.p50 / 1000) | median | fixed(2)) | \(map(.p99 / 1000) | median | fixed(2)) |"
        ' results
    done
    printf '\n'
done
