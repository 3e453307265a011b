"""Holds the pods of the golden cases against the schemas of Kubernetes, strictly: no unknown field is let pass.

Each pod is held, as submitted and as injected, against the oldest release that there are schemas of, the first
one that knows native sidecars, and the newest. Injection must not add anything that a schema rejects, but
native sidecars to what does not know them. `make schemas` runs this, with a file of all cases.
"""

import json
import sys

import jsonschema
import referencing
from kubernetes_validate import utils

# As (major, minor). The policy cannot see the release, so what it adds by default must fit all of them.
OLDEST = (1, 25)
FIRST_WITH_NATIVE_SIDECARS = (1, 29)

# Submitted pods that not even the newest schema takes, with the fields that it rejects in them: what Kubernetes
# may come to have must survive injection.
UNKNOWN_ON_PURPOSE = {
    "hook/keeps-what-else-is-in-the-own-hook": ("newerMember", "newerNull", "newerKind"),
    "traps/typed-round-trip": ("newerThanUs",),
}

UNKNOWN = ": unknown field"


def read(path):
    """The cases that are injected, each with its name and the pod before and after."""
    with open(path, encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    return [(case["name"], case["request"]["object"], case["injected"]) for case in cases if "injected" in case]


def validator(release):
    """What holds pods against the schema of one release."""
    directory = f"kubernetes-json-schema/v{release[0]}.{release[1]}.0-local-strict"
    schema, definitions = (
        utils.schema_contents(f"{directory}/{name}.json", directory) for name in ("pod-v1", "_definitions")
    )
    resources = [referencing.Resource.from_contents(contents) for contents in (schema, definitions)]
    return jsonschema.Draft202012Validator(schema, registry=resources @ referencing.Registry())


def problems(validator, pod):
    """All that the schema says against a pod, each with its place."""
    found = set()
    for error in validator.iter_errors(pod):
        place = place_of(error.absolute_path, pod)
        if error.validator == "additionalProperties":
            unknown = set(error.instance) - set(error.schema["properties"])
            found.update(f"{place}.{field}{UNKNOWN}" for field in unknown)
        else:
            found.add(f"{place}: {error.message}")
    return found


def place_of(path, pod):
    """A path with the names of containers and volumes, because injection changes their indices."""
    steps, value = [], pod
    for step in path:
        value = value[step]
        is_named = isinstance(step, int) and isinstance(value, dict) and "name" in value
        steps.append(value["name"] if is_named else str(step))
    return ".".join(steps)


def native_sidecars(submitted, injected):
    """The field that makes a native sidecar of each init container that the policy added."""
    own = {container["name"] for container in submitted["spec"].get("initContainers") or []}
    return {
        f"spec.initContainers.{container['name']}.restartPolicy{UNKNOWN}"
        for container in injected["spec"].get("initContainers") or []
        if container["name"] not in own and "restartPolicy" in container
    }


def is_expected(problem, name, release, newest):
    """Whether the schema may say this against the submitted pod of a case."""
    if any(problem.endswith(f".{field}{UNKNOWN}") for field in UNKNOWN_ON_PURPOSE.get(name, ())):
        return True
    # A pod may have fields of its own that are newer than the release.
    return release < newest and problem.endswith(UNKNOWN)


def check(cases, release, newest):
    """What is wrong with the cases by the schema of one release."""
    schema = validator(release)
    valid, failures = 0, []
    for name, submitted, injected in cases:
        own = problems(schema, submitted)
        failures += [f"{name}, as submitted: {it}" for it in own if not is_expected(it, name, release, newest)]
        if name in UNKNOWN_ON_PURPOSE and not own:
            failures.append(f"{name}: rejected no more; UNKNOWN_ON_PURPOSE has it")
        expected = own | (native_sidecars(submitted, injected) if release < FIRST_WITH_NATIVE_SIDECARS else set())
        found = problems(schema, injected)
        failures += [f"{name}: {it}" for it in found - expected]
        failures += [f"{name}: should be rejected for {it}" for it in expected - found]
        valid += not found
    told = f"{valid} injected pods valid, {len(cases) - valid} with fields that it does not know"
    print(f"Kubernetes {release[0]}.{release[1]}: {told}")
    return [f"Kubernetes {release[0]}.{release[1]}: {failure}" for failure in sorted(failures)]


def main():
    newest = tuple(int(part) for part in utils.latest_version().split(".")[:2])
    cases = read(sys.argv[1])
    missing = UNKNOWN_ON_PURPOSE.keys() - {name for name, _, _ in cases}
    failures = [f"{name}: there is no such case with an injected pod" for name in missing]
    for release in (OLDEST, FIRST_WITH_NATIVE_SIDECARS, newest):
        failures += check(cases, release, newest)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
