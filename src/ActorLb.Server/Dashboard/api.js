// The node's API: the same that pbm calls. The token is asked for once, and kept for the tab alone.

const base = '/api/v1/';
const slot = 'actorlb.token';

export const token = {
  get: () => sessionStorage.getItem(slot),
  set: value => (value ? sessionStorage.setItem(slot, value) : sessionStorage.removeItem(slot)),
};

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function headers(more) {
  const given = token.get();
  return given ? { ...more, Authorization: `Bearer ${given}` } : more;
}

async function problemOf(answer) {
  let text = '';
  try {
    text = (await answer.json()).detail;
  } catch {
    // Not the node itself: a proxy in front of it.
  }
  return new Refused(answer.status, text || `the node answers ${answer.status}`);
}

export async function call(method, path, body) {
  const answer = await fetch(base + path, {
    method,
    headers: headers(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    signal: AbortSignal.timeout(20000),
  });
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

// Server-sent events over fetch(): EventSource can send no token. Ends by an exception, or when the node ends the stream.
export async function stream(path, signal, onEvent) {
  const answer = await fetch(base + path, { headers: headers({ Accept: 'text/event-stream' }), cache: 'no-store', signal });
  if (!answer.ok) throw await problemOf(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      let name = 'message';
      const data = [];
      for (const line of text.slice(0, end).split('\n')) {
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) data.push(line.slice(6));
      }
      if (data.length > 0) onEvent(name, JSON.parse(data.join('\n')));
    }
  }
}
