import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import type { CompletionInput } from './model.ts';
import { zshCompletion } from './zsh.ts';

export const SHELLS: Readonly<Record<string, (input: CompletionInput) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};
