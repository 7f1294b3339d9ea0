import type { CodegenConfig } from '@graphql-codegen/cli';

// Decimals stay strings: a float cannot hold 0.1, and never holds money. A scalar that is not named here is an error.
const config: CodegenConfig = {
  schema: '../../schema/schema.graphql',
  documents: ['src/operations/*.graphql'],
  generates: {
    'src/generated/': {
      preset: 'client',
      presetConfig: {
        fragmentMasking: false,
        // The manifest for TRUSTED_DOCUMENTS: src/generated/persisted-documents.json.
        persistedDocuments: { mode: 'embedHashInDocument', hashAlgorithm: 'sha256' },
      },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { Cursor: 'string', DateTime: 'string', Decimal: 'string' },
        useTypeImports: true,
        emitLegacyCommonJSImports: false,
      },
    },
  },
};
export default config;
