import { defineConfig } from 'vite';

import { filesForDataUrls } from './data-urls.js';

// The server mounts dist/ at /graphiql/, and the page may be opened with or without the last slash: absolute paths
// work for both. Nothing is inlined, because the page runs under a policy that knows only 'self'.
export default defineConfig({
  base: '/graphiql/',
  plugins: [filesForDataUrls()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // Monaco alone is several megabytes, and it comes from the same machine: a warning at 500 kB says nothing.
    chunkSizeWarningLimit: 8192,
    reportCompressedSize: false,
    rolldownOptions: {
      // "use client" speaks to server rendering, which this page has none of: some seventy warnings about nothing.
      onLog: (level, log, show) => log.code === 'MODULE_LEVEL_DIRECTIVE' || show(level, log),
    },
  },
  worker: { format: 'es' },
});
