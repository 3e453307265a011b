// What a cluster does around the policy: it sends requests, makes pods of the templates of workloads, and gives them their
// service account token. `vsi` does the same (vsi/src/admission.rs); a test compares their results.

import facts from "./facts.json" with { type: "json" };
import { at, isEqual, isObject, list, text, type Json, type JsonObject } from "./json.ts";
import type { Policy, Verdict } from "./policy.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** What becomes of an object that is applied. */
export interface Admission {
  warnings: string[];
  /** The images of which it is not known what they run. */
  assumed: string[];
  outcome:
    | { kind: "unchanged" }
    /** Its controller makes annotated pods of it; how these will be, only that controller knows. */
    | { kind: "checked" }
    | { kind: "injected"; object: JsonObject }
    | { kind: "rejected"; message: string };
}

/** The namespace of objects that name none. */
const NAMESPACE = "default";

type Answer = Omit<Admission, "assumed">;

export class Cluster {
  readonly #assumed = new Set<string>();

  constructor(
    readonly policy: Policy,
    readonly settings: JsonObject,
    readonly vocabularies: readonly Vocabulary[],
  ) {}

  /** Creates an object; `undefined` if the policy has nothing to do with it. */
  admit(object: JsonObject): Admission | undefined {
    this.#assumed.clear();
    const answer = this.#admit(object);
    return answer && { ...answer, assumed: [...this.#assumed] };
  }

  #admit(object: JsonObject): Answer | undefined {
    const path = templateOf(object);
    if (path === undefined) {
      return this.#isAnnotatedInside(object) ? this.#admitOther(object) : undefined;
    }
    if (path.length === 0) return this.#admitPod(object, object, []);
    const verdict = this.#create(object, object);
    const warnings = verdict.warnings ?? [];
    if (!verdict.accepted) return { warnings, outcome: rejected(verdict) };
    const template = at(object, path);
    if (!isObject(template) || !this.#isAnnotated(at(template, ["metadata", "annotations"]))) {
      return { warnings, outcome: { kind: "unchanged" } };
    }
    const pod = podOf(template, object);
    const admission = this.#admitPod(pod, object, warnings);
    if (admission.outcome.kind === "injected") {
      const workload = structuredClone(object);
      putBack(admission.outcome.object, pod, at(workload, path) as JsonObject);
      admission.outcome = { kind: "injected", object: workload };
    }
    return admission;
  }

  #admitOther(object: JsonObject): Answer {
    const verdict = this.#create(object, object);
    const kind = this.#hasTemplate(object) ? "checked" : "unchanged";
    const outcome = verdict.accepted ? ({ kind } as const) : rejected(verdict);
    return { warnings: verdict.warnings ?? [], outcome };
  }

  #admitPod(pod: JsonObject, object: JsonObject, before: readonly string[]): Answer {
    const submitted = structuredClone(pod);
    mountToken(submitted);
    const verdict = this.#create(submitted, object);
    // A workload and its pods get the same messages.
    const warnings = [...new Set([...before, ...(verdict.warnings ?? [])])];
    if (!verdict.accepted) return { warnings, outcome: rejected(verdict) };
    const admitted = verdict.mutated_object;
    if (!isObject(admitted ?? undefined) || isEqual(admitted ?? undefined, submitted)) {
      return { warnings, outcome: { kind: "unchanged" } };
    }
    unmountToken(admitted as JsonObject, pod);
    return { warnings, outcome: { kind: "injected", object: admitted as JsonObject } };
  }

  #create(created: JsonObject, object: JsonObject): Verdict {
    const namespace = text(object, "metadata", "namespace") || NAMESPACE;
    return this.policy.validate(creationOf(created, namespace), this.settings, this.#assumed);
  }

  #isAnnotated(annotations: Json | undefined): boolean {
    return isObject(annotations) && this.vocabularies.some(({ inject }) => Object.hasOwn(annotations, inject));
  }

  /** Whether an object of another kind has an annotated pod template somewhere. */
  #hasTemplate(value: Json): boolean {
    if (Array.isArray(value)) return value.some((item) => this.#hasTemplate(item));
    if (!isObject(value)) return false;
    const isTemplate = Array.isArray(at(value, ["spec", "containers"])) && this.#isAnnotated(at(value, ["metadata", "annotations"]));
    return isTemplate || Object.values(value).some((member) => this.#hasTemplate(member));
  }

  #isAnnotatedInside(value: Json): boolean {
    if (Array.isArray(value)) return value.some((item) => this.#isAnnotatedInside(item));
    if (!isObject(value)) return false;
    return this.#isAnnotated(value) || Object.values(value).some((member) => this.#isAnnotatedInside(member));
  }
}

function rejected(verdict: Verdict): Admission["outcome"] {
  return { kind: "rejected", message: verdict.message ?? "rejected" };
}

/** Where an object has its pod template: nothing for a pod itself, `undefined` for kinds that have none. */
export function templateOf(object: JsonObject): string[] | undefined {
  const [group] = groupAndVersion(object);
  const kind = text(object, "kind");
  const path = facts.templates.find((entry) => entry.group === group && entry.kind === kind)?.path;
  return path?.split(".").filter((step) => step !== "");
}

function groupAndVersion(object: JsonObject): [string, string] {
  const apiVersion = text(object, "apiVersion");
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

/** The request to create an object, as the API server sends it. */
function creationOf(object: JsonObject, namespace: string): JsonObject {
  const [group, version] = groupAndVersion(object);
  const kind = text(object, "kind");
  const name = text(object, "metadata", "name");
  return {
    uid: "00000000-0000-0000-0000-000000000000",
    kind: { group, version, kind },
    resource: { group, version, resource: `${kind.toLowerCase()}s` },
    ...(name === "" ? {} : { name }),
    namespace,
    operation: "CREATE",
    userInfo: {},
    object,
    dryRun: false,
  };
}

/** The pod that the controllers of a cluster make of a template. */
function podOf(template: JsonObject, workload: JsonObject): JsonObject {
  // The one whose pods they are: a CronJob makes Jobs, and a Deployment ReplicaSets.
  const kind = text(workload, "kind");
  const owners: Record<string, [string, string]> = {
    CronJob: ["batch/v1", "Job"],
    Deployment: ["apps/v1", "ReplicaSet"],
  };
  const [apiVersion, ownerKind] = owners[kind] ?? [text(workload, "apiVersion"), kind];
  const name = at(workload, ["metadata", "name"]) ?? null;
  const pod: JsonObject = { ...structuredClone(template), apiVersion: "v1", kind: "Pod" };
  pod["metadata"] ??= {};
  if (isObject(pod["metadata"])) {
    pod["metadata"]["generateName"] = `${text(workload, "metadata", "name")}-`;
    pod["metadata"]["ownerReferences"] = [{ apiVersion, kind: ownerKind, name, controller: true }];
  }
  const claims = volumesOfClaims(workload);
  pod["spec"] ??= claims.length > 0 ? {} : null;
  if (claims.length > 0 && isObject(pod["spec"])) {
    const isClaim = (volume: Json) => claims.some((claim) => text(claim, "name") === text(volume, "name"));
    pod["spec"]["volumes"] = [...claims, ...list(pod["spec"], "volumes").filter((volume) => !isClaim(volume))];
  }
  return pod;
}

/** The volumes that the controller of a StatefulSet gives its first pod, in the place of those with the same names. */
function volumesOfClaims(workload: JsonObject): Json[] {
  if (text(workload, "kind") !== "StatefulSet") return [];
  const names = list(workload, "spec", "volumeClaimTemplates").map((claim) => text(claim, "metadata", "name"));
  const set = text(workload, "metadata", "name");
  return names
    .filter((name) => name !== "")
    .map((name) => ({ name, persistentVolumeClaim: { claimName: `${name}-${set}-0` } }));
}

/** Puts what the policy has changed of a pod into the template that it was made of. */
function putBack(injected: JsonObject, made: JsonObject, template: JsonObject): void {
  if (isObject(injected["spec"])) {
    const spec = injected["spec"];
    const own = list(template, "spec", "volumes");
    const ofController = list(made, "spec", "volumes");
    if (!isEqual(own, ofController)) {
      // The policy adds its own after those that the controller has made of them.
      const volumes = [...own, ...list(spec, "volumes").slice(ofController.length)];
      if (volumes.length > 0) spec["volumes"] = volumes;
      else delete spec["volumes"];
    }
    template["spec"] = spec;
  }
  const annotations = at(injected, ["metadata", "annotations"]);
  if (annotations !== undefined) {
    template["metadata"] ??= {};
    if (isObject(template["metadata"])) template["metadata"]["annotations"] = annotations;
  }
}

/** The volume of the API server's service account plugin. Five letters come after the prefix, never a zero in a cluster. */
const TOKEN_VOLUME = "kube-api-access-00000";
const TOKEN_VOLUME_PREFIX = "kube-api-access-";
const TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Does what the API server's service account plugin does to a pod before webhooks see it:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#serviceaccount.
 */
function mountToken(pod: JsonObject): void {
  const spec = pod["spec"];
  if (!isObject(spec)) return;
  if (text(spec, "serviceAccountName") === "") spec["serviceAccountName"] = "default";
  if (spec["automountServiceAccountToken"] === false) return;
  const own = list(spec, "volumes").find(
    (volume) => at(volume, ["projected"]) !== undefined && text(volume, "name").startsWith(TOKEN_VOLUME_PREFIX),
  );
  const name = own === undefined ? TOKEN_VOLUME : text(own, "name");
  let isUsed = false;
  for (const container of containersOf(spec)) {
    const mounts = list(container, "volumeMounts").map((mount) => text(mount, "mountPath").replace(/\/+$/, ""));
    if (!mounts.includes(TOKEN_DIRECTORY)) {
      isUsed = true;
      push(container, "volumeMounts", { name, mountPath: TOKEN_DIRECTORY, readOnly: true });
    }
  }
  if (isUsed && own === undefined) {
    const sources = [
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
    ];
    push(spec, "volumes", { name, projected: { defaultMode: 420, sources } });
  }
}

/** Takes back what {@link mountToken} has made of `submitted`, in a pod to which the policy may have added containers. */
function unmountToken(pod: JsonObject, submitted: JsonObject): void {
  const spec = pod["spec"];
  if (!isObject(spec)) return;
  const name = at(submitted, ["spec", "serviceAccountName"]);
  if (name === undefined) delete spec["serviceAccountName"];
  else spec["serviceAccountName"] = name;
  remove(spec, "volumes", at(submitted, ["spec", "volumes"]) !== undefined);
  for (const container of containersOf(spec)) {
    const own = containersOf(submitted["spec"]).find((it) => text(it, "name") === text(container, "name"));
    remove(container, "volumeMounts", own !== undefined && Object.hasOwn(own, "volumeMounts"));
  }
}

function containersOf(spec: Json | undefined): JsonObject[] {
  return [...list(spec, "initContainers"), ...list(spec, "containers")].filter(isObject);
}

/** Adds to a list that may be missing or null. */
function push(object: JsonObject, name: string, item: Json): void {
  const items = (object[name] ??= []);
  if (Array.isArray(items)) items.push(item);
}

/** Removes the token's volume from a list, and the list if it is empty then and was not there before. */
function remove(object: JsonObject, name: string, wasThere: boolean): void {
  const items = object[name];
  if (!Array.isArray(items)) return;
  const kept = items.filter((item) => text(item, "name") !== TOKEN_VOLUME);
  if (kept.length > 0 || wasThere) object[name] = kept;
  else delete object[name];
}
