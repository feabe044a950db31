// What can be done about a node.

import { h } from './dom.js';
import { number, parseDuration } from './text.js';
import { act, ask } from './dialogs.js';
import { button } from './parts.js';

// A node drains and resumes at its own endpoint; whom the fleet does not hear any other node may give up.
export function nodeActions(n) {
  if (n.self) {
    return h('p', { class: 'actions', key: 'actions' }, n.state === 'draining'
      ? button('Resume', () => act('POST', 'node/resume', undefined, a => a.message), `Resume ${n.name}`)
      : button('Drain this node…', () => drain(n), `Drain the node ${n.name}`));
  }
  return n.state === 'unreachable' && h('p', { class: 'actions', key: 'actions' }, button('Give it up…', () => giveUp(n), `Give ${n.name} up`));
}

async function drain(n) {
  const given = await ask({
    title: `Drain the node ${n.name}?`,
    text: `It leaves the fleet, takes no clients, and closes its ${number(n.connections)} connections evenly: they come back through other nodes. Resume takes it back.`,
    fields: [{
      name: 'seconds', label: 'Within', hint: 'Such as 5m. Empty: node.drain-timeout of its file.',
      parse: text => {
        if (!text.trim()) return undefined;
        const seconds = parseDuration(text);
        if (seconds === null || seconds > 86400) throw new Error('A duration of a day at most, such as 90s or 5m.');
        return seconds;
      },
    }],
    confirm: 'Drain', danger: true,
  });
  if (given) await act('POST', 'node/drain', given.seconds === undefined ? {} : given, a => `${a.node} drains ${number(a.connections)} connections.`);
}

async function giveUp(n) {
  const sure = await ask({
    title: `Give ${n.name} up?`,
    text: 'The fleet stops waiting for it, and others take over its part of the sticky map. If it runs on behind a broken network it balances by itself until it finds the fleet again.',
    confirm: 'Give it up', danger: true,
  });
  if (sure) await act('POST', 'cluster/down', { node: n.name }, a => a.message);
}
