import { useState } from 'react';

import { signIn } from './api.js';
import { session, useSession } from './session.js';

/** The bar on top: who is signed in, or the form to sign in with. */
export function SignInBar() {
  const { email, accessToken, notice } = useSession();
  return (
    <header className="bar">
      <strong className="brand">Scrip</strong>
      {accessToken ? <SignedIn email={email} /> : <SignInForm notice={notice} />}
    </header>
  );
}

function SignedIn({ email }) {
  return (
    <div className="identity">
      <span>
        Signed in as <b>{email}</b>. Every request carries the session’s bearer token.
      </span>
      <button type="button" onClick={() => session.end()}>
        Sign out
      </button>
    </div>
  );
}

function SignInForm({ notice }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem(await signIn(form.get('email'), form.get('password')).catch((fault) => fault.message));
    setBusy(false);
  }

  return (
    <form className="identity" onSubmit={submit}>
      <span className="problem" role="status">
        {problem ?? notice}
      </span>
      <input name="email" type="email" placeholder="E-mail" aria-label="E-mail" autoComplete="username" required />
      <input
        name="password"
        type="password"
        placeholder="Password"
        aria-label="Password"
        autoComplete="current-password"
        required
      />
      <button type="submit" disabled={busy}>
        {busy ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}
