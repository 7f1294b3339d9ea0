import { createClient } from 'graphql-ws';
import type { TypedDocumentString } from './generated/graphql.js';

/** An error in place of data: a bad query, a missing permission, a fault. Refusals are not errors, they are answers. */
export class ScripError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

type Answer<Result> = { data?: Result | null; errors?: { message: string; extensions?: { code?: string } }[] };
type Given<Variables> = Variables extends Record<string, never> ? [] : [variables: Variables];

/** A client of one server, for one person. Documents are sent by their ids, and by their texts where no id is known. */
export class Scrip {
  #token: string | null = null;

  constructor(readonly address: string) {}

  /** Every operation from now on carries this access token. */
  signedIn(accessToken: string): void {
    this.#token = accessToken;
  }

  /** The data of a query or a mutation. Throws ScripError. */
  async ask<Result, Variables>(
    document: TypedDocumentString<Result, Variables>,
    ...[variables]: Given<Variables>
  ): Promise<Result> {
    const known = await this.#send<Result>({ documentId: idOf(document), variables });
    if (known.errors?.[0]?.extensions?.code !== 'PERSISTED_QUERY_NOT_FOUND') return dataOf(known);
    return dataOf(await this.#send<Result>({ query: document.toString(), variables }));
  }

  /** The results of a subscription as they come. Throws ScripError; leave the loop and it is over. */
  async *follow<Result, Variables>(
    document: TypedDocumentString<Result, Variables>,
    ...[variables]: Given<Variables>
  ): AsyncGenerator<Result> {
    const client = createClient({
      url: `${this.address.replace(/^http/, 'ws')}/graphql`,
      connectionParams: this.#token === null ? {} : { authorization: `Bearer ${this.#token}` },
    });
    try {
      const results = client.iterate<Result>({
        query: document.toString(),
        variables: (variables ?? {}) as Record<string, unknown>,
        extensions: { persistedQuery: { version: 1, sha256Hash: idOf(document) } },
      });
      for await (const result of results) yield dataOf(result as Answer<Result>);
    } finally {
      await client.dispose();
    }
  }

  async #send<Result>(body: Record<string, unknown>): Promise<Answer<Result>> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#token !== null) headers['authorization'] = `Bearer ${this.#token}`;
    const response = await fetch(`${this.address}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await response.json()) as Answer<Result>;
  }
}

function idOf(document: TypedDocumentString<unknown, never>): string {
  return String(document.__meta__?.['hash']);
}

function dataOf<Result>(answer: Answer<Result>): Result {
  const [error] = answer.errors ?? [];
  if (error) throw new ScripError(error.extensions?.code ?? 'UNKNOWN', error.message);
  if (answer.data === null || answer.data === undefined) throw new ScripError('UNKNOWN', 'There is no data.');
  return answer.data;
}

/** Stands where all cases have been dealt with: a refusal that is added to the schema fails to compile here. */
export function never(value: never): never {
  throw new Error(`Not dealt with: ${JSON.stringify(value)}`);
}
