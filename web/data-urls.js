import { createHash } from 'node:crypto';

const DATA_URL = /url\((["']?)data:(font|image)\/([a-z0-9+-]+)(?:;charset=[a-z0-9-]+)?(;base64)?,((?:(?!\1\)).)*)\1\)/gi;
const EXTENSIONS = { 'svg+xml': 'svg' };

/**
 * Fonts and pictures that libraries carry inside their style sheets become files of their own.
 *
 * Why: a Content-Security-Policy of `default-src 'self'` refuses `data:` fonts, and base64 makes the style sheet a
 * third larger. Every unencoded or base64 `url(data:…)` of a font or an image is written beside its style sheet under
 * the hash of its bytes, so the same picture is written once.
 */
export function filesForDataUrls() {
  return {
    name: 'files-for-data-urls',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      for (const sheet of Object.values(bundle)) {
        if (sheet.type !== 'asset' || !sheet.fileName.endsWith('.css')) continue;
        const folder = sheet.fileName.slice(0, sheet.fileName.lastIndexOf('/') + 1);
        sheet.source = String(sheet.source).replace(DATA_URL, (_match, _quote, _kind, type, base64, body) => {
          const source = base64 ? Buffer.from(body, 'base64') : Buffer.from(decodeURIComponent(body));
          const hash = createHash('sha256').update(source).digest('hex').slice(0, 12);
          const name = `${hash}.${EXTENSIONS[type] ?? type}`;
          this.emitFile({ type: 'asset', fileName: folder + name, source });
          return `url(./${name})`;
        });
      }
    },
  };
}
