// Where a device is, and what can be done about it.

import { h } from './dom.js';
import { call } from './api.js';
import { act, ask } from './dialogs.js';
import { store } from './store.js';
import { bytes, clock, count, duration, visible } from './text.js';
import { nodeLink, poolLink, table } from './parts.js';

const enc = encodeURIComponent;
const state = { typed: '', id: null, busy: false, sessions: [], entries: [], problems: [] };
let changed = () => {};

export function devices(s, id, onChange) {
  changed = onChange;
  if (id !== undefined && id !== state.id) {
    state.typed = id;
    find(id);
  }
  return [
    h('h1', { key: 'h1', tabindex: '-1' }, 'Devices'),
    h('form', { key: 'form', class: 'search', role: 'search', onsubmit: submit },
      h('label', { for: 'client' }, 'Client id, as the broker sees it'),
      h('div', null,
        h('input', { id: 'client', type: 'search', value: state.typed, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', oninput: e => { state.typed = e.target.value; } }),
        h('button', { type: 'submit', class: 'primary' }, 'Find'))),
    h('div', { key: 'found', id: 'found', 'aria-live': 'polite', 'aria-busy': state.busy ? 'true' : 'false' }, state.id === null ? null : result(s)),
  ];
}

function submit(event) {
  event.preventDefault();
  if (state.typed === '') return;
  const hash = `#/devices/${enc(state.typed)}`;
  if (location.hash === hash) find(state.typed);
  else location.hash = hash;
}

async function find(id) {
  Object.assign(state, { id, busy: true, sessions: [], entries: [], problems: [] });
  changed();
  const [sessions, sticky] = await Promise.allSettled([call('GET', `sessions/find?client=${enc(id)}`), call('GET', `sticky?client=${enc(id)}`)]);
  if (state.id !== id) return;
  state.busy = false;
  if (sessions.status === 'fulfilled') {
    state.sessions = sessions.value.sessions;
    state.problems.push(...sessions.value.silent.map(silentText));
  } else if (sessions.reason.status !== 404) {
    state.problems.push(sessions.reason.message);
  }
  if (sticky.status === 'fulfilled') state.entries = sticky.value.entries;
  // 409: no pool is sticky, so there is nothing to remember.
  else if (sticky.reason.status !== 409) state.problems.push(sticky.reason.message);
  changed();
}

const silentText = n => `${n.node} did not answer, and may have sessions of it: ${n.reason}.`;

function result(s) {
  if (state.busy) return h('p', null, 'Looking…');
  return [
    h('h2', null, 'Device ', h('span', { class: 'name', id: 'device' }, visible(state.id))),
    state.problems.map(p => h('p', { class: 'bad' }, visible(p))),
    state.sessions.length === 0
      ? h('p', null, 'It is not connected.')
      : table('Sessions of the device', [
        { name: 'Broker', cell: x => h('span', { class: 'name' }, x.backend ?? 'none yet') },
        { name: 'Pool', cell: x => poolLink(x.pool) },
        { name: 'By node', cell: x => nodeLink(x.node) },
        { name: 'Listener', cell: x => x.listener },
        { name: 'From', cell: x => h('span', { class: 'name' }, x.address) },
        { name: 'State', cell: x => x.state },
        { name: 'Since', cell: x => h('time', { datetime: x.since, title: x.since }, `${clock(x.since)}, for ${duration(x.seconds)}`) },
        { name: 'MQTT', cell: x => x.protocol },
        { name: 'Sent', kind: 'num', cell: x => bytes(x.sent) },
        { name: 'Received', kind: 'num', cell: x => bytes(x.received) },
      ], state.sessions, x => `${x.node} ${x.address}`),
    state.entries.map(e => h('p', { key: e.pool }, 'In ', poolLink(e.pool), e.backend
      ? [' it belongs to ', h('span', { class: 'name' }, e.backend), ', by the sticky map']
      : ' it belongs to no broker: its next CONNECT decides',
    e.owner && [' (shard ', String(e.shard), ' on ', nodeLink(e.owner), ')'], '.')),
    h('p', { class: 'actions' },
      state.sessions.length > 0 && h('button', { type: 'button', class: 'danger', onclick: kick }, 'Kick…'),
      state.entries.map(e => h('button', { type: 'button', onclick: () => move(s, e) }, state.entries.length > 1 ? `Move in ${e.pool}…` : 'Move…')),
      h('button', { type: 'button', onclick: () => find(state.id) }, 'Look again')),
  ];
}

const kicked = answer => [`${count(answer.kicked, 'session was', 'sessions were')} closed.`, ...answer.silent.map(silentText)].join(' ');

async function kick() {
  const sure = await ask({
    title: `Kick ${visible(state.id)}?`,
    text: `${count(state.sessions.length, 'session is', 'sessions are')} closed, MQTT 5 with a DISCONNECT that says so (0x98). Most devices connect again by themselves.`,
    confirm: 'Kick', danger: true,
  });
  if (sure && await act('POST', `sessions/kick?client=${enc(state.id)}`, undefined, kicked)) later();
}

async function move(s, entry) {
  const others = (store.snapshot ?? s).pools.find(p => p.name === entry.pool)?.backends.map(b => b.backend).filter(b => b !== entry.backend) ?? [];
  if (others.length === 0) return;
  const given = await ask({
    title: `Move ${visible(state.id)}`,
    text: ['From its next CONNECT on it belongs to that broker. A session that a broker keeps for it stays where it is.',
      state.sessions.length > 0 && 'It is kicked, so that the next CONNECT comes now.'].filter(Boolean),
    fields: [{ name: 'to', label: `Broker of ${entry.pool}`, value: others[0], options: others }],
    confirm: 'Move', danger: true,
  });
  if (!given || !await act('PUT', `sticky?client=${enc(state.id)}&pool=${enc(entry.pool)}`, { backend: given.to }, `It belongs to ${given.to} now.`)) return;
  if (state.sessions.length > 0) await act('POST', `sessions/kick?client=${enc(state.id)}`, undefined, `It belongs to ${given.to} now, and was kicked.`);
  later();
}

// A device that is kicked takes a moment to come back.
function later() {
  const id = state.id;
  find(id);
  setTimeout(() => {
    if (state.id === id && !state.busy && location.hash.startsWith('#/devices')) find(id);
  }, 2500);
}
