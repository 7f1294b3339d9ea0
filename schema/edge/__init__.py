"""The edge of the GraphQL API: everything that is true of any operation, whatever it asks for.

A request passes, in this order: `deadline` (slow senders), `middleware` (size, time, headers, request id), `view`
(GraphQL over HTTP, WebSocket and SSE), `trusted` (is it a document of our frontends), `limits` (how much one document
may ask), `validation` (is it valid, once per document), `permissions` (may this caller ask it), `costs` (what it takes
out of the caller's allowances), `execution` (which answers rows by `plans`), and on the way out `masking` (what a
caller learns of a fault).

Nothing here knows a wallet from an invoice; the types and their resolvers live in the modules beside this package.
"""
