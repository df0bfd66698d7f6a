/**
 * Writes src/generated/panel.ts from schema-panel/panel.json; with --check, fails if
 * the file is not what the schema gives.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('schema-panel/panel.json', import.meta.url);
const TYPES = new URL('src/generated/panel.ts', import.meta.url);

/** A title of a property would become a type of its own. */
function untitled(property) {
  const { prefixItems, ...rest } = property;
  delete rest.title;
  return prefixItems ? { ...rest, items: prefixItems } : rest;
}

/** Return a definition without such titles; the service writes every constant. */
function prepared(definition) {
  const properties = Object.entries(definition.properties ?? {});
  const constants = properties.filter(([, value]) => 'const' in value);
  const required = [
    ...(definition.required ?? []),
    ...constants.map(([name]) => name)
  ];
  return {
    ...definition,
    properties: Object.fromEntries(
      properties.map(([name, value]) => [name, untitled(value)])
    ),
    required: [...new Set(required)]
  };
}

const schema = JSON.parse(await readFile(SCHEMA, 'utf8'));
schema.$defs = Object.fromEntries(
  Object.entries(schema.$defs).map(([name, value]) => [name, prepared(value)])
);
const text = await compile(schema, 'PanelEvent', {
  additionalProperties: false,
  bannerComment:
    '/* Made from schema-panel/panel.json by `jlpm types`; do not edit. */',
  style: { singleQuote: true, trailingComma: 'none', arrowParens: 'avoid' }
});
if (!process.argv.includes('--check')) {
  await writeFile(TYPES, text);
} else if ((await readFile(TYPES, 'utf8')) !== text) {
  process.stderr.write(
    'src/generated/panel.ts is not what schema-panel/panel.json gives: run `jlpm types`.\n'
  );
  process.exitCode = 1;
}
