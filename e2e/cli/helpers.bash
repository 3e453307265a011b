# shellcheck shell=bash
# shellcheck disable=SC2016 # jq expressions have variables of their own
# What the tests in e2e.bats share: requests are made of the samples in test_data/requests, the policy is run on
# them, and its answer is compared with jq expressions, for which pods.jq has definitions.
#
# A test works on two files:
#
#   request.json  the admission request
#   outcome.json  what came of the last run: the object as `submitted`, the `response`, the `patch` in it, decoded (an
#                 empty list if there is none), and the `pod`: the object with the patch applied to it

set -uo pipefail

KWCTL=${KWCTL:-kwctl}
POLICY=${POLICY:-annotated-policy.wasm}

# What stands before the slash in the policy's annotations.
PREFIX=sidecar.vault.talend.org

# Stands in every submitted pod and must be in no message.
CREDENTIAL=hunter2

# Longer than any message must be.
LONGEST_MESSAGE=1000

fail() {
    printf '%s\n' "$@" >&2
    return 1
}

# Reports before the first test what is missing.
check_tools() {
    local tool
    for tool in "$KWCTL" jq; do
        command -v "$tool" >/dev/null || fail "$tool is needed, and not there; KWCTL can name another tool than kwctl"
    done
    [ -f "$POLICY" ] || fail "$POLICY is not there; make $POLICY builds it, and POLICY can name another module"
}

enter_test() {
    cd "$BATS_TEST_DIRNAME" || return
    REQUEST=$BATS_TEST_TMPDIR/request.json
    OUTCOME=$BATS_TEST_TMPDIR/outcome.json
    # What the tool writes to standard output and to standard error.
    RESPONSE=$BATS_TEST_TMPDIR/response.json
    MESSAGES=$BATS_TEST_TMPDIR/messages.txt
}

# ---- Requests

# Writes the request in test_data/requests/$1.json with a pod that has the credential in its environment and these
# annotations KEY=VALUE, of which only KEY is after the prefix, in place of its own. inject is true if it is not given.
request_of() {
    local sample=test_data/requests/$1.json
    shift
    jq --arg prefix "$PREFIX" --arg credential "$CREDENTIAL" '
        .object.spec.containers[0].env += [{name: "PASSWORD", value: $credential}]
        | .object.metadata.annotations = {"example.org/team": "shop"} + ([
            {key: "inject", value: "true"},
            ($ARGS.positional[] | index("=") as $at | {key: .[:$at], value: .[$at + 1:]})
        ] | map(.key |= "\($prefix)/\(.)") | from_entries)
    ' "$sample" --args -- "$@" >"$REQUEST"
}

# A pod of a ReplicaSet, with container `orders`.
pod() { request_of deployment-pod "$@"; }

# A pod of a Job, with container `invoices` and restartPolicy OnFailure.
job_pod() { request_of job-pod "$@"; }

# Changes the request by a jq expression; further arguments are jq's.
edit() {
    local expression=$1
    shift
    jq "$@" "$expression" "$REQUEST" >"$REQUEST.new"
    mv "$REQUEST.new" "$REQUEST"
}

# A workload of kind $1 with the template of a pod, and its annotations as for pod: what is applied, to which the API
# server has added nothing yet.
workload() {
    local kind=$1
    shift
    case $kind in
    Job | CronJob) job_pod "$@" ;;
    *) pod "$@" ;;
    esac
    edit '
        {
          Deployment: "apps", StatefulSet: "apps", DaemonSet: "apps", ReplicaSet: "apps", ReplicationController: "",
          Job: "batch", CronJob: "batch"
        }[$kind] as $group
        | (.object | {
            metadata: {labels: .metadata.labels, annotations: .metadata.annotations},
            spec: (del(.spec.volumes, .spec.containers[].volumeMounts) | .spec)
          }) as $template
        | .kind = {group: $group, version: "v1", kind: $kind}
        | .resource = {group: $group, version: "v1", resource: "\($kind | ascii_downcase)s"}
        | .requestKind = .kind
        | .requestResource = .resource
        | .name = "shop"
        | .object = {
            apiVersion: (if $group == "" then "v1" else "\($group)/v1" end),
            kind: $kind,
            metadata: {name: "shop", namespace: "shop"},
            spec: (if $kind == "CronJob" then {jobTemplate: {spec: {template: $template}}} else {template: $template} end)
          }' --arg kind "$kind"
}

# Makes the request one that changes the object by a jq expression.
update_by() {
    edit '.operation = "UPDATE" | .oldObject = .object'
    edit ".object |= ($1)"
}

# ---- Runs

# Runs the policy on the request. The arguments say what the settings are.
evaluate() {
    local status=0
    "$KWCTL" run "$POLICY" --request-path "$REQUEST" "$@" >"$RESPONSE" 2>"$MESSAGES" || status=$?
    [ "$status" -eq 0 ] || fail "$KWCTL run ended with status $status:" "$(<"$MESSAGES")"
    jq -L e2e/cli --slurpfile request "$REQUEST" 'include "pods"; outcome($request[0])' "$RESPONSE" >"$OUTCOME"
}

# Runs the policy with these settings in JSON, or with the defaults.
run_policy() { evaluate --settings-json "${1:-{\}}"; }

# ---- Assertions

# Fails, and shows expression and value, unless the jq expression is true for this member of the outcome. In the
# expression there is $submitted; further arguments are jq's.
assert_of() {
    local member=$1 expression=$2 result
    shift 2
    result=$(jq -c -L e2e/cli "include \"pods\"; .submitted as \$submitted | .$member | [($expression)]" "$OUTCOME" \
        "$@" 2>&1) || true
    [ "$result" = '[true]' ] || fail "The $member" "$(jq -L e2e/cli "include \"pods\"; .$member | readable" "$OUTCOME")" \
        "gives $result, and not [true], for" "$expression" "$@"
}

# Of the pod that results.
assert_jq() { assert_of pod "$@"; }

# Of the AdmissionResponse.
assert_response() { assert_of response "$@"; }

assert_injected() {
    assert_of response '.allowed and has("patch")'
    assert_jq '.metadata.annotations["\($prefix)/status"] == "injected"' --arg prefix "${1:-$PREFIX}"
}

assert_untouched() {
    assert_response '.allowed and (has("patch") | not)'
}

assert_no_warnings() {
    assert_response '.warnings // [] == []'
}

# Each of these texts is in a warning.
assert_warns() {
    assert_response '.warnings // [] | all($ARGS.positional[] as $text | any(.[]; contains($text)); .)' --args -- "$@"
}

# There is a warning of this annotation, and each of these texts is in one.
assert_warns_of() {
    local key=$1
    shift
    assert_response '.warnings // [] | map(select(test("^annotation \($name)[: ]"))) | length > 0 and
        all($ARGS.positional[] as $text | any(.[]; contains($text)); .)' --arg name "$PREFIX/$key" --args -- "$@"
}

# The object is rejected as a mistake of the user's, and each of these texts is in the message, which does not grow with
# what was submitted.
assert_rejected() {
    assert_response '(.allowed | not) and (has("patch") | not) and .status.code == 422 and (.status.message
        | all($ARGS.positional[] as $text | contains($text); .)
          and utf8bytelength < $longest and (contains($credential) | not))' \
        --arg credential "$CREDENTIAL" --argjson longest "$LONGEST_MESSAGE" --args -- "$@"
}

# The same, and the message begins with this annotation.
assert_rejected_for() {
    local key=$1
    shift
    assert_rejected "$@"
    assert_response '.status.message | test("^annotation \($name)[: ]")' --arg name "$PREFIX/$key"
}

# The tool rejects these settings, says nothing of the request, and each of these texts is in its message.
assert_settings_rejected() {
    local settings=$1 text
    shift
    if "$KWCTL" run "$POLICY" --request-path "$REQUEST" --settings-json "$settings" >"$RESPONSE" 2>"$MESSAGES"; then
        fail "these settings are taken: $settings"
    fi
    [ ! -s "$RESPONSE" ] || fail "there is an answer with settings that are rejected:" "$(<"$RESPONSE")"
    for text in "$@"; do
        grep --quiet --fixed-strings -e "$text" "$MESSAGES" || fail "$(<"$MESSAGES")" "does not have: $text"
    done
}
