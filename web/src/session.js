/**
 * Who is signed in: an e-mail and a bearer token, kept for this browser tab only.
 *
 * The token lives in sessionStorage, so a reload keeps it and closing the tab forgets it. It is not refreshed: when
 * the server says it is no longer good, `end` forgets it and the bar asks to sign in again.
 */
import { useSyncExternalStore } from 'react';

const KEY = 'scrip.session';
const SIGNED_OUT = { email: null, accessToken: null, notice: null };
const listeners = new Set();
let current = stored();

function stored() {
  try {
    return { ...SIGNED_OUT, ...JSON.parse(sessionStorage.getItem(KEY)) };
  } catch {
    return SIGNED_OUT;
  }
}

function become(next) {
  current = next;
  try {
    if (next.accessToken) sessionStorage.setItem(KEY, JSON.stringify({ email: next.email, accessToken: next.accessToken }));
    else sessionStorage.removeItem(KEY);
  } catch {
    // A browser that refuses storage still has the token in memory until the page is left.
  }
  listeners.forEach((listener) => listener());
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const session = {
  /** The token to send, or null when nobody is signed in. */
  token: () => current.accessToken,
  start: (email, accessToken) => become({ email, accessToken, notice: null }),
  /** Forgets the token; `notice` is one sentence for the person, or nothing. */
  end: (notice = null) => become({ ...SIGNED_OUT, notice }),
};

/** The session as `{ email, accessToken, notice }`, following every change. */
export function useSession() {
  return useSyncExternalStore(subscribe, () => current);
}
