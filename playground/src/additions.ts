// What is added to the containers of an object, for a table.

import { at, isObject, list, text, type Json } from "./json.ts";

/** A container that is new, or that mounts more than before. */
export interface Addition {
  container: string;
  image: string;
  requests: string;
  limits: string;
  /** The volumes that it mounts, or mounts in addition. */
  volumes: string;
}

export function additions(before: Json, after: Json): Addition[] {
  if (Array.isArray(after)) return after.flatMap((item, index) => additions(at(before, [String(index)]) ?? null, item));
  if (!isObject(after)) return [];
  const own = Array.isArray(after["containers"])
    ? ["initContainers", "containers"].flatMap((name) => ofList(name, list(before, name), list(after, name)))
    : [];
  const inside = Object.entries(after).flatMap(([name, member]) => additions(at(before, [name]) ?? null, member));
  return [...own, ...inside];
}

function ofList(name: string, before: Json[], after: Json[]): Addition[] {
  return after.flatMap((container) => {
    const old = before.find((it) => text(it, "name") === text(container, "name"));
    const known = mounted(old);
    const volumes = mounted(container).filter((volume) => !known.includes(volume)).join(", ");
    const isNative = text(container, "restartPolicy") === "Always";
    const suffix = name === "containers" ? "" : isNative ? " (native sidecar)" : " (init)";
    const addition = { container: `${text(container, "name")}${suffix}`, image: "", requests: "", limits: "", volumes };
    if (old !== undefined) return volumes === "" ? [] : [addition];
    const amounts = (kind: string) => {
      const resources = at(container, ["resources", kind]);
      return isObject(resources) ? Object.entries(resources).map(([name, amount]) => `${name} ${String(amount)}`).join(", ") : "";
    };
    return [{ ...addition, image: text(container, "image"), requests: amounts("requests"), limits: amounts("limits") }];
  });
}

function mounted(container: Json | undefined): string[] {
  return [...new Set(list(container, "volumeMounts").map((mount) => text(mount, "name")))];
}
