// Follows the events of an execution with the EventSource of npm, and prints each as a line of JSON.
//
//   node follow.mjs SERVER EXECUTION

import { EventSource } from 'eventsource';

const [server, id] = process.argv.slice(2);
const kinds = ['queued', 'claimed', 'workspace', 'started', 'text', 'thinking', 'usage', 'message', 'turn_ended', 'finished'];

const events = new EventSource(new URL(`/v1/executions/${id}/events`, server));
for (const kind of kinds) {
  events.addEventListener(kind, ({ data }) => {
    console.log(data);
    if (kind === 'finished') events.close();
  });
}
