import { type ExecResult, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { canonicalReference } from './reference.ts';

/** How registries, and skopeo in their stead, say that they let nobody in, or not this one. */
const DENIED = /unauthorized|authentication required|invalid username\/password|denied: |\b403 \(?Forbidden/i;

/**
 * Runs skopeo to its end. It finds the user's credentials itself (containers-auth.json(5)); none is ever among the words.
 * REGISTRY_DENIED, COMMAND_FAILED, TOOL_MISSING.
 */
export async function skopeo(
  { exec, env, signal }: Pick<BuildContext, 'exec' | 'env' | 'signal'>,
  args: readonly string[],
): Promise<ExecResult> {
  try {
    return await exec('skopeo', args, { env, signal });
  } catch (error) {
    const denied = error instanceof VirtainersError && error.code === 'COMMAND_FAILED' && DENIED.test(error.message);
    throw denied ? refusal(args, error) : error;
  }
}

function refusal(args: readonly string[], cause: VirtainersError): VirtainersError {
  const names = args.filter((word) => word.startsWith('docker://')).map((word) => word.slice('docker://'.length));
  const hosts = [...new Set(names.map((name) => canonicalReference(name).split('/')[0] ?? name))];
  const last = cause.message.trim().split('\n').at(-1)?.trim() ?? '';
  const said = /\bmsg="(.*)"$/.exec(last)?.[1] ?? last;
  return new VirtainersError(
    'REGISTRY_DENIED',
    `asking for ${names.join(' and ')}: the registry refuses it\n  ${said}`,
    {
      hint: `log in with a name that may do this: ${hosts.map((host) => `skopeo login ${host}`).join(', ')} (docker login and podman login do as well)`,
      cause,
    },
  );
}
