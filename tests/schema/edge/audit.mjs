// Audits a GraphQL server by the GraphQL-over-HTTP draft and prints the findings as JSON: {total, findings: [...]}.
// node audit.mjs <folder node_modules with graphql-http> <url>
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, url] = process.argv.slice(2);
const entry = path.join(modules, 'graphql-http', 'lib', 'index.mjs');
const { auditServer } = await import(pathToFileURL(entry));

const results = await auditServer({ url, fetchFn: fetch });
const findings = results
  .filter((result) => result.status !== 'ok')
  .map(({ id, name, status, reason }) => ({ id, name, status, reason: String(reason) }));
console.log(JSON.stringify({ total: results.length, findings }));
