import { type SettingName, settingNamed } from './settings.ts';

/** Collects problems while the settings are read. */
export class Reader {
  readonly problems: string[] = [];
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Undefined when unset or empty: compose files pass `${NAME:-}`. */
  text(name: SettingName): string | undefined {
    const text = this.#env[name];
    return text === undefined || text === '' ? undefined : text;
  }

  read<Value, Default>(
    name: SettingName,
    parse: (text: string) => Value | undefined,
    missing: Default,
  ): Value | Default {
    const text = this.text(name);
    if (text === undefined) return missing;
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    this.problem(name, 'not allowed');
    return missing;
  }

  oneOf<Word extends string>(name: SettingName, words: readonly Word[], missing: Word): Word {
    return this.read(name, (text) => words.find((word) => word === text.trim().toLowerCase()), missing);
  }

  problem(name: SettingName, why: string): void {
    const { allowed, secret } = settingNamed(name);
    const text = this.text(name);
    const shown = text === undefined ? '(not set)' : secret ? '(not shown)' : JSON.stringify(text.slice(0, 200));
    this.problems.push(`  ${name}=${shown}: ${why}; allowed: ${allowed}`);
  }
}
