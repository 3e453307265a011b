// The policy's module, called as policy-server calls it: a waPC host, and as much of WASI as the module needs, which has
// no files, no clock and no environment.

import { inOrder, type Json, type JsonObject } from "./json.ts";

/** What `validate` answers. */
export interface Verdict {
  accepted: boolean;
  message?: string | null;
  mutated_object?: JsonObject | null;
  warnings?: string[] | null;
}

/** What `validate_settings` answers. */
export interface SettingsVerdict {
  valid: boolean;
  message?: string | null;
}

/** The module rejected its input as no host should have sent it, or trapped. */
export class PolicyFailure extends Error {}

const WASI = "wasi_snapshot_preview1";
const SUCCESS = 0;
/** WASI's number for a function that does not exist. */
const ENOSYS = 52;

/** Functions that are called before any operation, where the module has them. */
const STARTS = ["_start", "wapc_init", "_initialize"];

const DIGEST = `sha256:${"0".repeat(64)}`;
const MANIFEST: JsonObject = {
  schemaVersion: 2,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: DIGEST, size: 0 },
  layers: [],
};

export class Policy {
  readonly #module: WebAssembly.Module;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /** Evaluates a request. The images whose command the module looks up are added to `assumed`. */
  validate(request: JsonObject, settings: JsonObject, assumed: Set<string>): Verdict {
    return this.#call("validate", { request, settings }, assumed) as unknown as Verdict;
  }

  validateSettings(settings: JsonObject): SettingsVerdict {
    return this.#call("validate_settings", settings, new Set()) as unknown as SettingsVerdict;
  }

  /** Calls a function in a fresh instance, as policy-server does: what one request leaves behind, none sees. */
  #call(operation: string, payload: Json, assumed: Set<string>): Json {
    const call = new Call(operation, payload, assumed);
    const instance = new WebAssembly.Instance(this.#module, call.imports(this.#module));
    call.memory = instance.exports["memory"] as WebAssembly.Memory;
    try {
      for (const name of STARTS) {
        (instance.exports[name] as (() => void) | undefined)?.();
      }
      const guestCall = instance.exports["__guest_call"] as (operation: number, payload: number) => number;
      guestCall(call.operation.length, call.payload.length);
    } catch (error) {
      throw new PolicyFailure(`the module failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    return call.answer();
  }
}

type Import = (...values: number[]) => number | void;

/** What the imported functions share during one call. */
class Call {
  readonly operation: Uint8Array;
  readonly payload: Uint8Array;
  memory: WebAssembly.Memory | undefined;
  #response: string | undefined;
  #error: string | undefined;
  #hostResponse = new Uint8Array();
  #hostError = new Uint8Array();
  readonly #assumed: Set<string>;

  constructor(operation: string, payload: Json, assumed: Set<string>) {
    this.operation = new TextEncoder().encode(operation);
    this.payload = new TextEncoder().encode(JSON.stringify(inOrder(payload, byAlphabet)));
    this.#assumed = assumed;
  }

  answer(): Json {
    if (this.#response === undefined) {
      throw new PolicyFailure(this.#error ?? "the module left neither an answer nor an error");
    }
    return JSON.parse(this.#response) as Json;
  }

  imports(module: WebAssembly.Module): WebAssembly.Imports {
    const wasi: Record<string, Import> = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      if (from === WASI) wasi[name] = () => ENOSYS;
    }
    return { [WASI]: Object.assign(wasi, this.#wasi()), wapc: this.#wapc() };
  }

  #wasi(): Record<string, Import> {
    const isEmpty: Import = (count = 0, bytes = 0) => {
      this.#view().setUint32(count, 0, true);
      this.#view().setUint32(bytes, 0, true);
      return SUCCESS;
    };
    return {
      // The keys of hash maps. They need not be secret here, and the same request gets the same answer.
      random_get: (start = 0, length = 0) => {
        this.#bytes(start, length).fill(0);
        return SUCCESS;
      },
      environ_sizes_get: isEmpty,
      args_sizes_get: isEmpty,
      environ_get: () => SUCCESS,
      args_get: () => SUCCESS,
      // Nobody reads what it prints: a panic is reported as a trap.
      fd_write: (_descriptor = 0, buffers = 0, count = 0, written = 0) => {
        let total = 0;
        for (let index = 0; index < count; index++) {
          total += this.#view().getUint32(buffers + 8 * index + 4, true);
        }
        this.#view().setUint32(written, total, true);
        return SUCCESS;
      },
      proc_exit: (status) => {
        throw new Error(`exit status ${status}`);
      },
    };
  }

  #wapc(): Record<string, Import> {
    return {
      __guest_request: (operation = 0, payload = 0) => {
        this.#bytes(operation, this.operation.length).set(this.operation);
        this.#bytes(payload, this.payload.length).set(this.payload);
      },
      __guest_response: (start = 0, length = 0) => {
        this.#response = this.#text(start, length);
      },
      __guest_error: (start = 0, length = 0) => {
        this.#error = this.#text(start, length);
      },
      __host_call: (_binding, _bindingLength, _namespace, _namespaceLength, operation = 0, length = 0, payload = 0, size = 0) =>
        this.#answer(this.#text(operation, length), this.#text(payload, size)),
      __host_response_len: () => this.#hostResponse.length,
      __host_response: (start = 0) => this.#bytes(start, this.#hostResponse.length).set(this.#hostResponse),
      __host_error_len: () => this.#hostError.length,
      __host_error: (start = 0) => this.#bytes(start, this.#hostError.length).set(this.#hostError),
      __console_log: () => {},
    };
  }

  /** Looks an image up, of which nothing is known here: its entrypoint is assumed, and named after it. */
  #answer(operation: string, payload: string): number {
    const encode = (value: Json) => new TextEncoder().encode(JSON.stringify(value));
    if (operation === "v1/oci_manifest") {
      this.#hostResponse = encode(MANIFEST);
      return 1;
    }
    if (operation === "v1/oci_manifest_config") {
      const image = String(JSON.parse(payload));
      this.#assumed.add(image);
      const config = { os: "linux", architecture: "amd64", config: { Entrypoint: [`<ENTRYPOINT of ${image}>`] } };
      this.#hostResponse = encode({ manifest: MANIFEST, digest: DIGEST, config });
      return 1;
    }
    this.#hostError = new TextEncoder().encode(`the host capability ${operation} is not available in this page`);
    return 0;
  }

  #bytes(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer(), start, length);
  }

  #view(): DataView {
    return new DataView(this.#buffer());
  }

  #text(start: number, length: number): string {
    return new TextDecoder().decode(this.#bytes(start, length));
  }

  #buffer(): ArrayBuffer {
    if (this.memory === undefined) throw new Error("the module calls its host before it is there");
    return this.memory.buffer as ArrayBuffer;
  }
}

/** As the API server sends members. */
function byAlphabet(names: string[]): string[] {
  return names.sort();
}
