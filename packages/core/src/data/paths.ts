import { join } from 'node:path';

/** The names in IMAGE_DIR. */
export interface DataPaths {
  readonly folder: string;
  readonly overlay: string;
  /** The overlay while it is made. */
  readonly temp: string;
  readonly sidecar: string;
  readonly lock: string;
  /** UEFI's, where the guest starts with it. */
  readonly variables: string;
}

export function dataPaths(folder: string): DataPaths {
  const overlay = join(folder, 'local_image.qcow2');
  return {
    folder,
    overlay,
    temp: `${overlay}.new`,
    sidecar: join(folder, 'local_image.json'),
    lock: join(folder, 'local_image.lock'),
    variables: join(folder, 'local_variables.fd'),
  };
}
