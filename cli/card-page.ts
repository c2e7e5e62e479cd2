import { marked } from "marked";

/** A model's card as a page that needs nothing besides itself, and runs nothing. */
export function cardPage(title: string, markdown: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>
body { margin: 0 auto; max-width: 54rem; padding: 2rem 1.25rem 4rem; font: 16px/1.55 system-ui, sans-serif; color: #1d2430; background: #fff; }
h1 { font-size: 1.7rem; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid #dfe3ea; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid #eef0f4; white-space: nowrap; }
th { font-weight: 600; color: #4c586b; }
code { font: .85em ui-monospace, monospace; background: #f4f6f9; padding: .1rem .3rem; border-radius: 3px; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  body { color: #d9dee7; background: #14181f; }
  h2, th, td { border-color: #2b3340; }
  th { color: #9aa7ba; }
  code { background: #1f2630; }
}
</style>
</head>
<body>
${marked.parse(markdown, { async: false })}</body>
</html>
`;
}
