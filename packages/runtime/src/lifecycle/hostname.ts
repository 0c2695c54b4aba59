/** A name that somebody gave the container; an engine's random id would change with each container. */
export function guestHostname(hostname: string, vmName: string): string {
  return /^[0-9a-f]{12}$/.test(hostname) ? vmName : hostname;
}
