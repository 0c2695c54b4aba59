import { z } from 'zod';
import { definitionSchema } from './schema.ts';

/** What a file in images/ may say, as JSON Schema (draft 2020-12), for editors; sizes are text there, not yet bytes. */
export function definitionJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(definitionSchema, { io: 'input', unrepresentable: 'any' });
  return {
    $schema,
    title: 'An image definition of virtainers',
    $comment: 'Made by `npm run docs` from packages/builder/src/definition/schema.ts; change that.',
    ...schema,
  };
}
