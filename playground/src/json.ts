// JSON values, and how one is looked into when nothing is known of its shape.

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is at a path; `undefined` where there is nothing. */
export function at(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((inside, step) => {
    if (Array.isArray(inside)) return inside[Number(step)];
    return isObject(inside) && Object.hasOwn(inside, step) ? inside[step] : undefined;
  }, value);
}

/** The text at a path; empty where there is none. */
export function text(value: Json | undefined, ...path: string[]): string {
  const found = at(value, path);
  return typeof found === "string" ? found : "";
}

/** The list at a path; empty where there is none. */
export function list(value: Json | undefined, ...path: string[]): Json[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/** Whether two values are the same, whatever the order of members. */
export function isEqual(one: Json | undefined, other: Json | undefined): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isEqual(item, other[index]));
  }
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name]))
    );
  }
  return one === other;
}

/** A value whose members are in the order that `order` gives their names, at each depth. */
export function inOrder(value: Json, order: (names: string[]) => string[]): Json {
  if (Array.isArray(value)) return value.map((item) => inOrder(item, order));
  if (!isObject(value)) return value;
  const names = order(Object.keys(value));
  return Object.fromEntries(names.map((name) => [name, inOrder(value[name] ?? null, order)]));
}
