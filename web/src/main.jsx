import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './style.css';

import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { fetcher } from './api.js';
import { SignInBar } from './SignIn.jsx';
import { HEADERS, TABS } from './tabs/tabs.js';

function Page() {
  return (
    <>
      <SignInBar />
      <main>
        <GraphiQL fetcher={fetcher} defaultTabs={TABS} defaultEditorToolsVisibility="headers" defaultHeaders={HEADERS}>
          <GraphiQL.Logo>GraphiQL</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

createRoot(document.getElementById('root')).render(<Page />);
