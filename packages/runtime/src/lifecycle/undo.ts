/** Undone in reverse, each once, whatever happens; what is `last` after everything else, whenever it began. */
export type Undo = (name: string, step: () => Promise<unknown> | unknown, order?: 'last') => void;
