import { html, raw } from "hono/html";

/** What the page says of an API; the parts of OpenAPI that this one has. */
interface Described {
  info: { title: string; version: string };
  paths?: Record<string, unknown>;
  components?: { schemas?: Record<string, unknown> };
}

interface Operation {
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; schema?: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
}

export const docsStyle = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
section { border-top: 1px solid #8888; margin-top: 1.5rem; }
h2 { font: 600 1.1rem ui-monospace, monospace; }
table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
pre { overflow-x: auto; padding: .75rem; background: #8882; border-radius: .3rem; }
`;

/** The API on one page: no scripts, nothing from elsewhere. */
export function docsPage({ info, paths = {}, components }: Described): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, one]) => section(method, path, one)),
  );
  const schemas = Object.entries(components?.schemas ?? {}).map(
    ([name, schema]) =>
      html`<section><h2 id="${name}">${name}</h2><pre>${JSON.stringify(schema, null, 2)}</pre></section>`,
  );
  return String(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${info.title}</title><style>${raw(docsStyle)}</style></head><body>
<h1>${info.title} ${info.version}</h1>
<p>The same for programs: <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1). Where a token is needed: <code>Authorization: Bearer TOKEN</code>.</p>
${operations}
${schemas}
</body></html>`);
}

function section(
  method: string,
  path: string,
  { summary, parameters = [], requestBody, responses }: Operation,
) {
  const body = requestBody?.content["application/json"]?.schema;
  return html`<section><h2>${method.toUpperCase()} ${path}</h2><p>${summary ?? ""}</p>
<table>${parameters.map(
    (one) =>
      html`<tr><td><code>${one.name}</code></td><td>${one.in}${one.required ? ", needed" : ""}</td><td>${wordsOf(one.schema)}</td></tr>`,
  )}${body === undefined ? "" : html`<tr><td>body</td><td colspan="2">${nameOf(body)}</td></tr>`}</table>
<table>${Object.entries(responses).map(
    ([status, { description, content }]) =>
      html`<tr><td>${status}</td><td>${nameOf(content?.["application/json"]?.schema)}</td><td>${description}</td></tr>`,
  )}</table></section>`;
}

function nameOf(schema: unknown): string {
  const name = /"#\/components\/schemas\/(\w+)"/.exec(JSON.stringify(schema) ?? "")?.[1];
  return name ?? "";
}

function wordsOf(schema: Record<string, unknown> = {}): string {
  const { type, enum: values, default: standard, minimum, maximum, maxLength } = schema;
  const parts = [
    Array.isArray(values) ? values.join(" | ") : type,
    minimum === undefined ? undefined : `from ${minimum}`,
    maximum === undefined ? undefined : `to ${maximum}`,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    standard === undefined ? undefined : `default ${String(standard)}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}
