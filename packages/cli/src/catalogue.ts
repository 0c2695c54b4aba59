import { join } from 'node:path';
import { type ImageDefinition, loadDefinitions } from '@virtainers/builder';
import type { CliContext } from './context.ts';

/** The image definitions that come along. */
export function loadCatalogue({ assetsDir }: Pick<CliContext, 'assetsDir'>): Promise<ImageDefinition[]> {
  return loadDefinitions(join(assetsDir, 'images'));
}
