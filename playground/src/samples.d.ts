// What build.mjs makes of deploy/.

declare module "samples" {
  interface Sample {
    name: string;
    text: string;
    /** The settings that it needs, if not the defaults. */
    settings?: string;
  }
  /** The workloads of deploy/samples. */
  export const samples: readonly Sample[];
  /** The settings of deploy/overlays. */
  export const settings: readonly Sample[];
}
