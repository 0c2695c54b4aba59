/** `20.10.24+dfsg1` -> 20; 0 where there is none. */
export function majorVersion(version: string): number {
  return Number.parseInt(version, 10) || 0;
}
