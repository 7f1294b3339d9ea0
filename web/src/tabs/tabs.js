/** The tabs of a first visit, and what the headers editor shows in every new one. */
import buy from './buy.graphql?raw';
import buyVariables from './buy.json?raw';
import start from './start.graphql?raw';
import startVariables from './start.json?raw';
import watch from './watch.graphql?raw';
import watchVariables from './watch.json?raw';

export const HEADERS = `{
  // An "authorization" here wins over the bar above,
  // for subscriptions too.
}
`;

export const TABS = [
  { query: start, variables: startVariables, headers: HEADERS },
  { query: buy, variables: buyVariables, headers: HEADERS },
  { query: watch, variables: watchVariables, headers: HEADERS },
];
