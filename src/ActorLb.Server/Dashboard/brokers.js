// Brokers: how they are, what can be done about them, and how far that is.

import { h } from './dom.js';
import { clock, count, duration, milliseconds, number, parseDuration, percent, rate, visible } from './text.js';
import { act, ask } from './dialogs.js';
import { badge, button, poolLink, table } from './parts.js';

const enc = encodeURIComponent;

export function backendState(backend, nodes) {
  if (backend.admin === 'down') return badge('off', backend.connections > 0 ? 'down, closing' : 'down');
  const answering = nodes.filter(n => n.age !== null).length;
  const parts = [];
  if (backend.admin === 'drain') parts.push(badge('warn', 'draining'));
  for (const block of backend.blocks) {
    if (block.block === 'draining' || block.block === 'down') continue;
    const all = block.nodes.length >= answering;
    parts.push(badge(all ? 'bad' : 'warn', all ? block.block : `${block.block} on ${block.nodes.join(', ')}`));
  }
  if (parts.length === 0) parts.push(badge('ok', backend.backup ? 'up, backup' : 'up'));
  if (backend.added) parts.push(badge('off', 'added', 'By an operator: the file does not name it.'));
  if (backend.local) parts.push(badge('warn', 'not confirmed', 'The change holds on one node, until the fleet confirms it.'));
  return parts;
}

export function backendsTable(pool, nodes, whole) {
  const all = pool.backends.reduce((sum, b) => sum + b.connections, 0);
  return table(`Brokers of the pool ${pool.name}`, [
    { name: 'Broker', cell: b => h('span', { class: 'name' }, b.backend) },
    { name: 'State', cell: b => backendState(b, nodes) },
    { name: 'Connections', kind: 'num', cell: b => number(b.connections) },
    {
      name: 'Share', kind: 'share',
      cell: b => [h('progress', { max: Math.max(all, 1), value: b.connections, 'aria-hidden': 'true' }), h('span', null, all > 0 ? percent(b.connections / all) : '–')],
    },
    whole && { name: 'Weight', kind: 'num', cell: b => number(b.weight) },
    whole && { name: 'CONNECTs/s', kind: 'num', cell: b => rate(b.connects) },
    { name: 'To CONNACK', kind: 'num', cell: b => h('span', { title: 'mean of the last minute' }, milliseconds(b.connack)) },
    { name: 'Failures', kind: 'num', cell: b => h('span', { class: b.failures > 0 ? 'bad' : null, title: 'in the last 15 minutes' }, number(b.failures)) },
    whole && { name: 'Since', kind: 'num', cell: b => h('time', { datetime: b.since, title: b.since }, duration((Date.now() - new Date(b.since)) / 1000)) },
    whole && nodes.length > 1 && { name: 'By node', cell: b => b.nodes.map(n => h('span', { class: 'pair' }, `${n.name} ${number(n.count)}`)) },
    whole && { name: 'Last error', cell: b => (b.lastError ? h('span', { class: 'text' }, `${clock(b.lastError.at)} ${visible(b.lastError.text)}`) : '–') },
    { name: 'Actions', kind: 'act', cell: b => backendActions(pool.name, b, whole) },
  ].filter(Boolean), pool.backends, b => b.backend, 'The pool has no brokers.');
}

const path = (pool, b, verb) => `backends/${enc(b.backend)}/${verb}?pool=${enc(pool)}`;

function backendActions(pool, b, whole) {
  return h('span', { class: 'actions' },
    b.admin === 'up' && button('Drain…', () => drain(pool, b), `Drain ${b.backend}`),
    b.admin !== 'up' && button('Up', () => act('POST', path(pool, b, 'up'), undefined, `${b.backend} is up.`), `Take ${b.backend} up`),
    b.admin !== 'down' && button('Down…', () => down(pool, b), `Take ${b.backend} down`),
    whole && button('Weight…', () => weigh(pool, b), `Change the weight of ${b.backend}`),
    whole && b.added && button('Remove…', () => remove(pool, b), `Remove ${b.backend}`));
}

const optionalDuration = text => {
  if (!text.trim()) return undefined;
  const seconds = parseDuration(text);
  if (seconds === null || seconds < 1) throw new Error('A duration is such as 90s, 10m or 1h.');
  return seconds;
};

const perSecond = text => {
  const [, n] = /^(\d+(?:\.\d+)?)\s*(?:\/\s*s)?$/.exec(text.trim()) ?? [];
  if (n === undefined || Number(n) <= 0) throw new Error('A rate is such as 50 or 50/s.');
  return Number(n);
};

async function drain(pool, b) {
  const given = await ask({
    title: `Drain ${b.backend}?`,
    text: [`It takes no new clients; the ${number(b.connections)} that it has keep it until they are closed at the rate, leave by themselves, or the deadline comes. Up takes it back.`],
    fields: [
      { name: 'rate', label: 'Rate', hint: 'Clients that the whole fleet closes a second, such as 50; they come back elsewhere. Empty: nobody is closed before the deadline.', parse: text => (text.trim() ? perSecond(text) : undefined) },
      { name: 'deadline', label: 'Deadline', hint: 'Such as 10m; then who is left is closed. Empty: none.', parse: optionalDuration },
    ],
    confirm: 'Drain',
  });
  if (!given) return;
  const body = {};
  for (const key of ['rate', 'deadline']) if (given[key] !== undefined) body[key] = given[key];
  await act('POST', path(pool, b, 'drain'), body, `${b.backend} drains.`);
}

export async function rebalance(pool) {
  const given = await ask({
    title: `Rebalance ${pool.name}?`,
    text: ['Clients are closed on brokers that have more than their weight’s part, and come back on those that have less, until all are within 2 %.'],
    fields: [{ name: 'rate', label: 'Rate', value: '50', hint: 'Clients that the whole fleet closes a second.', parse: perSecond }],
    confirm: 'Rebalance', danger: true,
  });
  if (given) await act('POST', `pools/${enc(pool.name)}/rebalance`, { rate: given.rate }, `${pool.name} is being rebalanced.`);
}

async function down(pool, b) {
  const sure = await ask({
    title: `Take ${b.backend} down?`,
    text: [`It takes nobody any more, on all nodes: its clients come back elsewhere, and sticky ones lose their place there.`,
      `It has ${count(b.connections, 'connection', 'connections')}; whether these are closed is the pool's on-down.`],
    confirm: 'Take it down', danger: true,
  });
  if (sure) await act('POST', path(pool, b, 'down'), undefined, `${b.backend} is down.`);
}

const weightOf = text => {
  if (!/^\d{1,5}$/.test(text.trim()) || Number(text) < 1 || Number(text) > 65535) throw new Error('A whole number from 1 to 65,535.');
  return Number(text);
};

export async function add(pool) {
  const given = await ask({
    title: `Add a broker to ${pool.name}`,
    text: ['It holds on every node, over reloads and restarts, until it is removed or the files name it.'],
    fields: [
      {
        name: 'address', label: 'Address', hint: 'HOST:PORT, such as emqx4.example.com:1883.',
        parse: text => {
          if (!/^\S+:\d+$/.test(text.trim())) throw new Error('An address is HOST:PORT.');
          return text.trim();
        },
      },
      { name: 'weight', label: 'Weight', value: '1', hint: 'Its share of new clients beside the others’ weights.', parse: weightOf },
    ],
    confirm: 'Add',
  });
  if (given) await act('POST', `pools/${enc(pool.name)}/backends`, given, a => [`${given.address} is in ${pool.name}.`, ...a.silent.map(n => `${n.node} did not answer: ${n.reason}.`)].join(' '));
}

async function remove(pool, b) {
  const sure = await ask({
    title: `Remove ${b.backend} from ${pool}?`,
    text: [`It gets no new clients, on all nodes; its ${count(b.connections, 'connection goes', 'connections go')} on. Sticky clients lose their place there.`],
    confirm: 'Remove', danger: true,
  });
  if (sure) await act('DELETE', `backends/${enc(b.backend)}?pool=${enc(pool)}`, undefined, `${b.backend} is out of ${pool}.`);
}

async function weigh(pool, b) {
  const given = await ask({
    title: `The weight of ${b.backend}`,
    fields: [{
      name: 'weight', label: 'Weight', value: String(b.weight), hint: '1 to 65,535: its share of new clients beside the others’ weights.',
      parse: weightOf,
    }],
    confirm: 'Set',
  });
  if (given) await act('PUT', path(pool, b, 'weight'), { weight: given.weight }, `${b.backend} has the weight ${given.weight}.`);
}

// How far a drain or rebalance at a rate is: { done, all, text }.
function paced(c) {
  const all = c.closed + c.left;
  const state = { running: `${rate(c.rate)} a second`, paused: 'paused', waiting: 'waiting: no other broker takes clients', done: 'done' }[c.state] ?? c.state;
  return {
    done: c.closed, all,
    text: `${number(c.closed)} of ${number(all)} closed (${all > 0 ? percent(c.closed / all) : '100 %'}); ${number(c.left)} to go; ${state}`
      + (c.remaining !== null && c.state === 'running' ? `, for ${duration(c.remaining)} more` : ''),
  };
}

// One without a rate: who leaves does so by himself.
function unpaced(b) {
  const all = Math.max(b.drainedFrom ?? 0, b.connections);
  if (b.drainedFrom === null || all === 0) return { all: 0, text: count(b.connections, 'connection is left', 'connections are left') };
  const done = all - b.connections;
  return { done, all, text: `${number(done)} of ${number(all)} have left (${percent(done / all)}); ${number(b.connections)} to go` };
}

const pauses = (c, what, base) => [
  c.state === 'paused' && button('Resume', () => act('POST', base('resume'), undefined, `${what} goes on.`), `Resume ${what}`),
  (c.state === 'running' || c.state === 'waiting') && button('Pause', () => act('POST', base('pause'), undefined, `${what} pauses.`), `Pause ${what}`),
];

const progress = (what, p) => p.all > 0 && h('progress', { max: p.all, value: p.done, 'aria-label': what });

function drainItem(pool, b) {
  const what = `the drain of ${b.backend}`;
  const p = b.drain ? paced(b.drain) : unpaced(b);
  return h('li', { key: `${pool} ${b.backend}` },
    h('div', { class: 'drain-head' }, h('strong', { class: 'name' }, b.backend), h('span', { class: 'note' }, ' of ', poolLink(pool))),
    progress(`Drain of ${b.backend}`, p),
    h('p', null, p.text, b.drainLeft !== null ? `; the deadline is in ${duration(b.drainLeft)}` : b.admin === 'drain' ? '; without a deadline' : '; they are being closed'),
    h('span', { class: 'actions' }, b.drain && pauses(b.drain, what, verb => path(pool, b, verb)), backendActions(pool, b)));
}

function rebalanceItem(pool) {
  const what = `the rebalance of ${pool.name}`;
  const p = paced(pool.rebalance);
  const base = verb => `pools/${enc(pool.name)}/rebalance${verb ? `/${verb}` : ''}`;
  return h('li', { key: pool.name },
    h('div', { class: 'drain-head' }, h('strong', null, 'Rebalance of '), poolLink(pool.name)),
    progress(`Rebalance of ${pool.name}`, p),
    h('p', null, p.text),
    h('span', { class: 'actions' }, pauses(pool.rebalance, what, base),
      pool.rebalance.state !== 'done' && button('Stop', () => act('DELETE', base(), undefined, `The rebalance of ${pool.name} is stopped.`), `Stop ${what}`)));
}

// Brokers that are on their way out, and pools that are being filled again, with how far they are.
// One that is done is said on the pool's page alone.
export function drains(snapshot, withDone) {
  const out = snapshot.pools.flatMap(p => p.backends.filter(b => b.admin === 'drain' || (b.admin === 'down' && b.connections > 0)).map(b => drainItem(p.name, b)));
  const moving = snapshot.pools.filter(p => p.rebalance && (withDone || p.rebalance.state !== 'done')).map(rebalanceItem);
  if (out.length + moving.length === 0) return null;
  return h('section', { key: 'drains', 'aria-labelledby': 'drains' },
    h('h2', { id: 'drains' }, moving.length === 0 ? 'Drains' : out.length === 0 ? 'Rebalances' : 'Drains and rebalances'),
    h('ul', { class: 'drains' }, out, moving));
}
