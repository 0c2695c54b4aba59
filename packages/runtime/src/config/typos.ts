import { editDistance } from './near.ts';

/** What people call a setting elsewhere. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  MEM: 'RAM',
  MEMORY: 'RAM',
  RAMSIZE: 'RAM',
  RAMM: 'RAM',
  CPUS: 'CPU',
  CPUCORES: 'CPU',
  VCPU: 'CPU',
  VCPUS: 'CPU',
  SMP: 'CPU',
  NAME: 'VM_NAME',
  DISK: 'DISK_SIZE',
  NETWORK: 'NETWORK_MODE',
  PASSWD: 'PASSWORD',
  KVM: 'ACCEL',
};

/** One warning for each variable that is no setting but looks like one: `DISKSIZE`, `ram`, `NETWROK_MODE`. */
export function typos(variables: readonly string[], settings: readonly string[]): string[] {
  const lines: string[] = [];
  for (const variable of variables) {
    if (settings.includes(variable)) continue;
    const meant = meantBy(variable, settings);
    if (meant) lines.push(`${variable} is not a setting; ${meant} is`);
  }
  return lines;
}

function meantBy(variable: string, settings: readonly string[]): string | undefined {
  const word = plain(variable);
  return (
    settings.find((setting) => plain(setting) === word) ??
    OTHER_NAMES[word] ??
    settings.find(
      (setting) => setting.length >= 4 && editDistance(plain(setting), word) <= (setting.length >= 8 ? 2 : 1),
    )
  );
}

function plain(name: string): string {
  return name.toUpperCase().replaceAll(/[_-]/g, '');
}
