import { findPublicKey } from '../key.ts';
import type { Check } from './check.ts';
import { findProgram } from './programs.ts';

/** Program, Debian's package, what goes without it. */
const TOOLS: readonly (readonly [program: string, debianPackage: string, without: string])[] = [
  ['qemu-img', 'qemu-utils', 'no cloud image can be baked'],
  ['mmdebstrap', 'mmdebstrap', "nothing can be made from Debian's packages: bake cloud images with --runtime"],
  ['skopeo', 'skopeo', 'bake --push and --runtime REF do not work'],
  ['xz', 'xz-utils', 'cloud images that end in .xz cannot be baked'],
  ['zstd', 'zstd', 'cloud images that end in .zst cannot be baked'],
  ['bzip2', 'bzip2', 'cloud images that end in .bz2 cannot be baked'],
  ['ssh', 'openssh-client', 'virtainers ssh does not work'],
];

export const toolChecks: readonly Check[] = TOOLS.map(([program, debianPackage, without]) => ({
  name: program,
  title: program,
  check: async ({ env }) => {
    const path = await findProgram(env, program);
    return path ? { status: 'ok', detail: path } : { status: 'warning', detail: `not installed: ${without}` };
  },
  remedy: `Debian: apt-get install ${debianPackage}`,
}));

export const sshKey: Check = {
  name: 'ssh-key',
  title: 'SSH key',
  check: async ({ home }) => {
    const path = await findPublicKey(home);
    return path
      ? { status: 'ok', detail: path }
      : { status: 'warning', detail: 'none in ~/.ssh: a guest prints a one-time password instead' };
  },
  remedy: 'ssh-keygen -t ed25519',
};
