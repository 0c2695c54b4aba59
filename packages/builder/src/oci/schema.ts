import { type Digest, isDigest } from '@virtainers/core';
import { z } from 'zod';

/** What we read of documents that others may have written; unknown fields are kept out of sight, not refused. */
const digest = z.custom<Digest>(isDigest, 'not a sha256 digest');
const size = z.int().nonnegative();
const annotations = z.record(z.string(), z.string());

/** OCI image-spec, descriptor.md. */
export const descriptorSchema = z.object({
  mediaType: z.string(),
  digest,
  size,
  annotations: annotations.optional(),
  platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
  artifactType: z.string().optional(),
});

/** OCI image-spec, image-index.md; also Docker's manifest list. */
export const indexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(descriptorSchema),
});

/** OCI image-spec, manifest.md; also Docker's manifest, schema 2. */
export const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations: annotations.optional(),
});

/** OCI image-spec, config.md. */
export const configSchema = z.object({
  created: z.string().optional(),
  architecture: z.string(),
  os: z.string(),
  config: z.object({ Labels: annotations.nullish() }).nullish(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digest) }),
  history: z.array(z.object({ created_by: z.string().optional(), empty_layer: z.boolean().optional() })).optional(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;

export type Manifest = z.infer<typeof manifestSchema>;
export type ImageConfig = z.infer<typeof configSchema>;
