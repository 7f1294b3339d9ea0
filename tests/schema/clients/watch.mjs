// Subscribes with the graphql-ws client and prints each message as one line of JSON: {"next": …}, {"error": …} or
// {"complete": true}; {"closed": code} when the connection was refused.
// node watch.mjs <folder node_modules> <ws url> <access token> <query> <variables as JSON>
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, url, token, query, variables] = process.argv.slice(2);
const { createClient } = await import(pathToFileURL(path.join(modules, 'graphql-ws', 'dist', 'client.js')));

const tell = (message) => console.log(JSON.stringify(message));
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  connectionParams: { authorization: `Bearer ${token}` },
  on: { opened: () => tell({ opened: true }) },
});
client.subscribe(
  { query, variables: JSON.parse(variables) },
  {
    next: (result) => tell({ next: result }),
    error: (failure) => {
      tell(failure.code ? { closed: failure.code } : { error: failure });
      process.exit(0);
    },
    complete: () => {
      tell({ complete: true });
      process.exit(0);
    },
  },
);
