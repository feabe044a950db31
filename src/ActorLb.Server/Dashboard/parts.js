// Parts that several pages show.

import { h } from './dom.js';
import { bytes, clock, count, date, duration, number, percent, rate, visible } from './text.js';
import { act, ask } from './dialogs.js';

const enc = encodeURIComponent;

export const poolLink = name => h('a', { href: `#/pool/${enc(name)}` }, name);
export const nodeLink = name => h('a', { href: `#/node/${enc(name)}` }, name);
export const badge = (kind, text, title) => h('span', { class: `badge ${kind}`, title }, text);

// columns: [{ name, cell(row), kind? }]. On a narrow screen each row is a card; roles keep it a table for screen readers.
export function table(caption, columns, rows, keyOf, empty) {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty ?? 'None.');
  return h('div', { class: 'scroll' },
    h('table', { role: 'table' },
      h('caption', { class: 'unseen' }, caption),
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
        columns.map(c => h('th', { role: 'columnheader', scope: 'col', class: c.kind }, c.name)))),
      h('tbody', { role: 'rowgroup' }, rows.map(row => h('tr', { role: 'row', key: keyOf(row) },
        columns.map((c, i) => i === 0
          ? h('th', { role: 'rowheader', scope: 'row', class: c.kind }, c.cell(row))
          : h('td', { role: 'cell', class: c.kind, 'data-name': c.name }, c.cell(row))))))));
}

export function nodeState(node) {
  if (node.problem !== null) return badge('bad', node.state === 'unreachable' ? 'unreachable' : 'no answer', node.problem);
  const kind = { up: 'ok', detached: 'bad', unreachable: 'bad' }[node.state] ?? 'warn';
  return badge(kind, node.state);
}

export const nodesTable = nodes => table('Nodes', [
  { name: 'Node', cell: n => [nodeLink(n.name), n.self && h('span', { class: 'note' }, ' asked')] },
  { name: 'Zone', cell: n => n.zone ?? '–' },
  { name: 'State', cell: nodeState },
  { name: 'Connections', kind: 'num', cell: n => number(n.connections) },
  { name: 'CONNECTs/s', kind: 'num', cell: n => rate(n.connects) },
  { name: 'In/s', kind: 'num', cell: n => bytes(n.received) },
  { name: 'Out/s', kind: 'num', cell: n => bytes(n.sent) },
  { name: 'CPU', kind: 'num', cell: n => (n.cpu === null ? '–' : percent(n.cpu)) },
  { name: 'Memory', kind: 'num', cell: n => (n.memory ? bytes(n.memory) : '–') },
  { name: 'Shards', kind: 'num', cell: n => number(n.shards) },
  { name: 'Up for', kind: 'num', cell: n => duration(n.uptime) },
], nodes, n => n.name);

export const takesClients = backend => backend.blocks.length === 0;

export const button = (text, onclick, about, kind) => h('button', { type: 'button', class: kind, onclick, 'aria-label': about }, text);

export const listenersTable = (listeners, title, withNode, own) => table(title, [
  { name: 'Listener', cell: l => h('span', { class: 'name' }, l.name) },
  withNode && { name: 'Node', cell: l => nodeLink(l.node) },
  { name: 'Address', cell: l => h('span', { class: 'name' }, l.bind) },
  { name: 'Takes', cell: l => l.kind },
  { name: 'Pool', cell: l => poolLink(l.pool) },
  { name: 'State', cell: l => badge(l.state === 'open' ? 'ok' : 'warn', l.state) },
  { name: 'Connections', kind: 'num', cell: l => (l.limit > 0 ? `${number(l.connections)} of ${number(l.limit)}` : number(l.connections)) },
  own && { name: 'Actions', kind: 'act', cell: listenerActions },
].filter(Boolean), listeners, l => `${l.node} ${l.name}`, 'There are no listeners.');

function listenerActions(l) {
  return h('span', { class: 'actions' }, l.state === 'paused'
    ? button('Resume', () => act('POST', `listeners/${enc(l.name)}/resume`, undefined, `${l.name} takes clients again.`), `Resume ${l.name}`)
    : l.state === 'open' && button('Pause…', async () => {
      const sure = await ask({
        title: `Pause the listener ${l.name}?`, text: 'Who connects is refused at once, as by a node that is gone; open connections stay. This node alone.',
        confirm: 'Pause', danger: true,
      });
      if (sure) await act('POST', `listeners/${enc(l.name)}/pause`, undefined, `${l.name} is paused.`);
    }, `Pause ${l.name}`));
}

const bad = /down|out|lost|fail|detach|reject|unreach|unresolved|removed|left/;

export const isTrouble = event => bad.test(event.kind) && !/health_up|backend_in/.test(event.kind);

export function eventList(events, most) {
  const shown = events.slice(-most).reverse();
  if (shown.length === 0) return h('p', { class: 'empty' }, 'Nothing has happened yet.');
  return h('ol', { class: 'events', tabindex: '0', role: 'list', 'aria-label': 'Events, the newest first' }, shown.map(e => h('li', { key: `${e.node} ${e.number} ${e.time}`, class: isTrouble(e) ? 'trouble' : null },
    h('time', { datetime: e.time, title: e.time }, clock(e.time)), h('span', { class: 'note' }, e.node), h('span', { class: 'kind' }, e.kind.replaceAll('_', ' ')),
    h('span', { class: 'text' }, visible(e.text)))));
}

// What somebody has to see to.
// names: those of nodes that were seen, by address.
export function warnings(s, names) {
  const all = [];
  const add = (kind, ...text) => all.push({ kind, text });
  const self = s.nodes.find(n => n.self);
  if (self?.state === 'detached') add('bad', h('strong', null, `${s.node} is detached`), ` and balances on with what it knows: ${s.reason ?? 'it is in no fleet'}. The other nodes are not shown.`);
  else if (s.missingSeeds.length > 0) {
    const missing = s.missingSeeds.map(seed => (names.has(seed) ? `${names.get(seed)} (${seed})` : seed));
    add('bad', h('strong', null, `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not in the fleet`), ': of the seeds in this node’s file no member has that address. It is stopped, detached or cut off.');
  }
  for (const n of s.nodes) {
    if (n.self || (n.problem === null && n.state !== 'unreachable')) continue;
    add('bad', h('strong', null, `${n.name} does not answer`), `: ${n.problem ?? 'it is unreachable'}.${n.age !== null ? ` Its values are ${duration(n.age)} old.` : ''}`);
  }
  const other = Map.groupBy(s.nodes.filter(n => n.differences.length > 0), n => n.differences.join(', '));
  for (const [what, nodes] of other) {
    add('warn', h('strong', null, `${nodes.map(n => n.name).join(' and ')} ${nodes.length === 1 ? 'has' : 'have'} another configuration`), ` than ${s.node}, in ${what}.`);
  }
  for (const p of s.pools) {
    const left = p.backends.filter(takesClients).length;
    if (left === 0) add('bad', h('strong', null, `The pool ${p.name} has no broker`), ' that takes clients.');
  }
  for (const c of s.certificates) {
    if (c.certificate === null) {
      add('bad', h('strong', null, `A certificate file of ${c.node} cannot be read`), `: ${visible(c.problem)}`);
      continue;
    }
    const { owner, kind, subject, file, notAfter, daysLeft, state } = c.certificate;
    const what = { ca: 'The authority', crl: 'The revocation list' }[kind] ?? 'The certificate';
    const end = state === 'ended' ? `ended on ${date(notAfter)}` : state === 'ends soon' ? `ends in ${count(daysLeft, 'day', 'days')}, on ${date(notAfter)}` : 'is not valid yet';
    add(state === 'ends soon' ? 'warn' : 'bad', h('strong', null, `${what} of ${owner} ${end}`), ` (${c.node}, ${visible(subject)}, ${file}).`);
  }
  return all;
}
