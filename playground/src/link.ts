// A link that holds the input. What is after `#` in an address stays in the browser.

/** What a person has written. */
export interface Input {
  manifest: string;
  settings: string;
}

/** The most bytes that a link unfolds to: more than a manifest that a cluster accepts. */
const MOST_BYTES = 1 << 20;

/** The fragment of an address that has this input; `undefined` if it is too large. */
export async function encode(input: Input): Promise<string | undefined> {
  const text = JSON.stringify([input.manifest, input.settings]);
  if (new Blob([text]).size > MOST_BYTES) return undefined;
  const bytes = await through(new Blob([text]).stream(), new CompressionStream("deflate-raw"));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The input that a fragment has; `undefined` if it was not made by {@link encode}. */
export async function decode(fragment: string): Promise<Input | undefined> {
  try {
    const binary = atob(fragment.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    const text = await through(new Blob([bytes]).stream(), new DecompressionStream("deflate-raw"));
    const input: unknown = JSON.parse(new TextDecoder().decode(text));
    if (!Array.isArray(input)) return undefined;
    const [manifest, settings] = input as unknown[];
    return typeof manifest === "string" && typeof settings === "string" ? { manifest, settings } : undefined;
  } catch {
    return undefined;
  }
}

async function through(bytes: ReadableStream, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = (bytes.pipeThrough(stream) as ReadableStream<Uint8Array>).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    if (length > MOST_BYTES) {
      await reader.cancel();
      throw new Error(`more than ${MOST_BYTES} bytes`);
    }
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}
