export type { HostContext } from './context.ts';
export { type DiffWords, diffData } from './data/diff.ts';
export { exportData, importData } from './data/export.ts';
export { type RebaseWords, rebaseData } from './data/rebase.ts';
export {
  createSnapshot,
  removeSnapshots,
  restoreSnapshot,
  type SnapshotWords,
  showSnapshots,
} from './data/snapshot.ts';
export type { CheckReport, DoctorReport } from './doctor/doctor.ts';
export { examine } from './doctor/doctor.ts';
export { type FoundContainer, findContainer } from './engine/container.ts';
export { ENGINE_NAMES, type EngineName } from './engine/engine.ts';
export { firstEngine } from './engine/find.ts';
export type { CatalogueEntry } from './image-name.ts';
export { type CreatedNetwork, createNetwork } from './network/create.ts';
export { type PublishWords, publishDisk } from './publish/publish.ts';
export { prepareRun, printRun, type RunPlan, type RunRequest, startRun } from './run.ts';
export { parseShareRequest, type ShareRequest } from './run-shares.ts';
export { listAddresses, loginUser, type SshRequest, sshInto } from './ssh.ts';
export { plainSsh } from './ssh-plan.ts';
export { readStatus, waitUntilReady } from './wait.ts';
