import { rm, writeFile } from 'node:fs/promises';
import type { BuildContext } from '../context.ts';
import type { ToolRoot } from '../root/tool-root.ts';
import { type Extent, SECTOR, stableUuid } from './partitions.ts';

const BLOCK = 4096;

/** mke2fs.conf(5). Nothing that Debian 11's kernel and e2fsck do not know: no orphan_file, no metadata_csum_seed. */
const CONFIG = `[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
default_mntopts = acl,user_xattr
blocksize = ${BLOCK}
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
`;

export interface FilesystemPlan {
  /** A sparse file that has never been written where the file system goes. */
  readonly raw: string;
  readonly tar: string;
  readonly uuid: string;
  readonly where: Extent;
}

/** An ext4 with the content of a tar, written into a part of a raw disk (mke2fs(8), -d and -E offset). */
export async function makeFilesystem(ctx: BuildContext, tools: ToolRoot, plan: FilesystemPlan): Promise<void> {
  const config = `${plan.tar}.mke2fs.conf`;
  const epoch = String(ctx.sourceDateEpoch);
  await writeFile(config, CONFIG);
  await tools.exec('mke2fs', mke2fsArguments(plan), {
    env: { MKE2FS_CONFIG: config, E2FSPROGS_FAKE_TIME: epoch, SOURCE_DATE_EPOCH: epoch },
    signal: ctx.signal,
  });
  await rm(config);
}

export function mke2fsArguments({ raw, tar, uuid, where }: FilesystemPlan): string[] {
  const extended = [
    `offset=${where.start * SECTOR}`,
    `hash_seed=${stableUuid(`${uuid} directory hashes`)}`,
    'root_owner=0:0',
    'nodiscard',
    // The file reads as zeros already, so the guest's kernel has no inode tables to clear in the background.
    'assume_storage_prezeroed=1',
    'lazy_itable_init=0',
  ];
  const blocks = Math.floor((where.size * SECTOR) / BLOCK);
  return ['-q', '-F', '-t', 'ext4', '-m', '1', '-U', uuid, '-E', extended.join(','), '-d', tar, raw, String(blocks)];
}
