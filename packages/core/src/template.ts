import Handlebars from 'handlebars';

export type Template = (context: object) => string;

/**
 * Compiles a template in its strictest form: an unknown name or helper throws. Values are escaped for XML unless the
 * template says `{{{ }}}`. `json` writes a value as JSON, which is also a YAML scalar (YAML 1.2, section 1.3).
 */
export function compileTemplate(source: string): Template {
  const engine = Handlebars.create();
  engine.registerHelper('json', (value: unknown) => new Handlebars.SafeString(JSON.stringify(value)));
  return engine.compile(source, {
    strict: true,
    knownHelpersOnly: true,
    knownHelpers: { json: true },
  }) as Template;
}
