/** Where an image went. */
export interface SinkResult {
  readonly kind: 'file' | 'docker' | 'podman' | 'registry' | 'sbom' | 'provenance';
  /** An absolute path, or the reference under which it is known there. */
  readonly target: string;
  /** False: that image was there already. */
  readonly written: boolean;
}
