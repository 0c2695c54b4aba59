import { copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { unpackPackages } from '../../test/helpers/fast-guest/debian-packages.ts';
import { exec } from '../../test/helpers/process.ts';
import { tempFolder } from '../../test/helpers/temp-folder.ts';

const LIBRARIES = ['libiperf.so.0', 'libsctp.so.1', 'libcrypto.so.3', 'libssl.so.3'];
const FILES = ['usr/bin/iperf3', ...LIBRARIES.map((name) => `usr/lib/x86_64-linux-gnu/${name}`)];

/** An ISO for /tmp/cloud_init.iso, by which the fast guest, all busybox but for its agent, gets iperf3. */
export async function iperf3Seed(): Promise<string> {
  const scratch = await tempFolder('iperf3');
  const [packages, content, iso] = [join(scratch, 'packages'), join(scratch, 'content'), join(scratch, 'seed.iso')];
  await unpackPackages(['iperf3', 'libiperf0', 'libsctp1', 'libssl3'], packages, scratch);
  await mkdir(content);
  for (const file of FILES) await copyFile(join(packages, file), join(content, basename(file)));
  await exec('xorriso', ['-as', 'mkisofs', '-quiet', '-V', 'cidata', '-R', '-o', iso, content]);
  return iso;
}

/** For the guest's door: serves until its end. */
export const SERVE_IPERF3 = 'LD_LIBRARY_PATH=/seed /seed/iperf3 --server --daemon';
