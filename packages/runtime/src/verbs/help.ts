import manifest from '../../package.json' with { type: 'json' };
import { SETTINGS } from '../config/settings.ts';

type Out = (text: string) => void;

export function showVersion(out: Out): number {
  out(`virtainers runtime ${manifest.version}`);
  return 0;
}

export function showHelp(out: Out): number {
  out(
    [
      'A virtual machine in a container: started without arguments it runs, and its console is on stdout.',
      '',
      'Arguments: (none) run | bash, sh, shell a shell | xml print the domain XML | check what this container allows',
      '           health | status [--follow] | connect PORT | copy | snapshot | --help | --version | options for QEMU, beginning with -',
      '',
      'Settings, as environment variables (docker run -e NAME=VALUE):',
      ...SETTINGS.map(({ name, default: value, meaning }) => `  ${name.padEnd(18)} ${meaning} (default: ${value})`),
      '',
      'Console: docker exec -it NAME virsh console vm',
    ].join('\n'),
  );
  return 0;
}
