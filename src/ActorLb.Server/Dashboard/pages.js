// The pages that the stream keeps up to date.

import { h } from './dom.js';
import { series, store } from './store.js';
import { chart } from './chart.js';
import { bytes, duration, number, percent, rate } from './text.js';
import { add, backendsTable, drains, rebalance } from './brokers.js';
import { nodeActions } from './nodes.js';
import { badge, eventList, listenersTable, nodesTable, nodeState, poolLink, takesClients } from './parts.js';

const perSecond = n => (n === null ? '–' : `${rate(n)}/s`);
const bytesPerSecond = n => (n === null ? '–' : `${bytes(n)}/s`);

function charts(s, name) {
  const nodes = s.nodes.filter(n => name === undefined || n.name === name);
  const one = (key, label) => ({ name: label, values: series(key, name), now: sum(nodes, key) });
  return h('div', { class: 'charts', key: 'charts' },
    chart('Connections', [one('connections')], number),
    chart('CONNECTs', [one('connects')], perSecond),
    chart('Traffic', [one('received', 'in'), one('sent', 'out')], bytesPerSecond, 1024),
    chart('CPU', [one('cpu')], percent));
}

const tile = (name, value, note, kind) => h('div', { class: `tile ${kind ?? ''}` }, h('dt', null, name), h('dd', null, h('strong', null, value), note && h('span', { class: 'note' }, note)));

const sum = (nodes, key) => nodes.reduce((all, n) => (n[key] === null ? all : (all ?? 0) + n[key]), null);

export function overview(s) {
  const up = s.nodes.filter(n => n.state === 'up' && n.problem === null).length;
  const backends = s.pools.flatMap(p => p.backends);
  const taking = backends.filter(takesClients).length;
  const listeners = s.nodes.flatMap(n => n.listeners.map(l => ({ ...l, node: n.name })));
  return [
    h('h1', { key: 'h1', tabindex: '-1' }, s.alone ? `Node ${s.node}` : `Fleet ${s.cluster}`),
    h('dl', { class: 'tiles', key: 'tiles' },
      tile('Connections', number(sum(s.nodes, 'connections'))),
      tile('CONNECTs', perSecond(sum(s.nodes, 'connects'))),
      tile('From clients', bytesPerSecond(sum(s.nodes, 'received'))),
      tile('To clients', bytesPerSecond(sum(s.nodes, 'sent'))),
      tile('Nodes up', `${up} of ${s.nodes.length}`, null, up < s.nodes.length ? 'bad' : 'ok'),
      tile('Brokers taking clients', `${taking} of ${backends.length}`, null, taking === 0 ? 'bad' : taking < backends.length ? 'warn' : 'ok')),
    drains(s),
    h('section', { key: 'time', 'aria-labelledby': 'time' }, h('h2', { id: 'time' }, 'The last 15 minutes'), charts(s)),
    h('section', { key: 'nodes', 'aria-labelledby': 'nodes' }, h('h2', { id: 'nodes' }, 'Nodes'), nodesTable(s.nodes)),
    s.pools.map((p, i) => h('section', { key: `pool ${p.name}`, 'aria-labelledby': `pool-${i}` },
      h('h2', { id: `pool-${i}` }, 'Pool ', poolLink(p.name), h('span', { class: 'note' }, ` ${p.balance}`)), backendsTable(p, s.nodes, false))),
    h('div', { class: 'pair-of', key: 'pair' },
      h('section', { 'aria-labelledby': 'listeners' }, h('h2', { id: 'listeners' }, 'Listeners'), listenersTable(listeners, 'Listeners', s.nodes.length > 1)),
      h('section', { 'aria-labelledby': 'events' }, h('h2', { id: 'events' }, 'Events'), eventList(s.events, 25))),
  ];
}

export function pool(s, name) {
  const p = s.pools.find(one => one.name === name);
  if (!p) return missing('pool', name, s.pools.map(one => poolLink(one.name)));
  const history = store.history;
  // Eight lines can be told apart: those with the most connections.
  const busiest = [...p.backends].sort((a, b) => b.connections - a.connections).slice(0, 8).map(b => b.backend);
  const lines = p.backends.filter(b => busiest.includes(b.backend))
    .map(b => ({ name: b.backend, now: b.connections, values: history?.backends.get(`${name}\n${b.backend}`) ?? null }));
  return [
    h('h1', { key: 'h1', tabindex: '-1' }, `Pool ${p.name}`, h('span', { class: 'note' }, ` ${p.balance}`)),
    drains({ ...s, pools: [p] }, true),
    h('section', { key: 'brokers', 'aria-labelledby': 'brokers' }, h('h2', { id: 'brokers' }, 'Brokers'), backendsTable(p, s.nodes, true),
      h('p', { class: 'actions' },
        h('button', { type: 'button', onclick: () => add(p) }, 'Add a broker…'),
        p.backends.length > 1 && h('button', { type: 'button', onclick: () => rebalance(p) }, 'Rebalance…'))),
    h('section', { key: 'time', 'aria-labelledby': 'time' }, h('h2', { id: 'time' }, 'The last 15 minutes'),
      h('div', { class: 'charts one' }, chart('Connections', lines, number)),
      p.backends.length > 8 && h('p', { class: 'note' }, 'The eight brokers with the most connections.')),
    h('section', { key: 'events', 'aria-labelledby': 'events' }, h('h2', { id: 'events' }, 'Events'),
      eventList(s.events.filter(e => e.text.startsWith(`pool ${name},`) || e.text.startsWith(`pool ${name} `)), 25)),
  ];
}

export function node(s, name) {
  const n = s.nodes.find(one => one.name === name);
  if (!n) return missing('node', name, s.nodes.map(one => h('a', { href: `#/node/${encodeURIComponent(one.name)}` }, one.name)));
  const fact = (what, value) => h('div', null, h('dt', null, what), h('dd', null, value));
  const brokers = s.pools.flatMap(p => p.backends.map(b => ({ pool: p.name, backend: b.backend, count: b.nodes.find(x => x.name === name)?.count ?? 0, b })));
  return [
    h('h1', { key: 'h1', tabindex: '-1' }, `Node ${n.name} `, nodeState(n)),
    h('dl', { class: 'facts', key: 'facts' },
      fact('Address for the fleet', n.address ?? 'none: it is by itself'), fact('Zone', n.zone ?? 'none'), fact('Release', n.version ?? '–'),
      fact('Up for', duration(n.uptime)), fact('Connections', n.capacity ? `${number(n.connections)} of at most ${number(n.capacity)}` : '–'),
      fact('CPU', n.cpu === null ? '–' : `${percent(n.cpu)} of one core; it has ${n.processors}`), fact('Memory', n.memory ? bytes(n.memory) : '–'),
      fact('Shards of the sticky map', number(n.shards)),
      n.problem !== null && fact('No answer', n.problem)),
    nodeActions(n),
    h('section', { key: 'time', 'aria-labelledby': 'time' }, h('h2', { id: 'time' }, 'The last 15 minutes'), charts(s, name)),
    h('section', { key: 'listeners', 'aria-labelledby': 'listeners' }, h('h2', { id: 'listeners' }, 'Listeners'),
      listenersTable(n.listeners.map(l => ({ ...l, node: name })), `Listeners of ${name}`, false, n.self),
      !n.self && h('p', { class: 'note' }, `A listener is paused at the node itself: at the dashboard of ${name}, or by pbm.`)),
    h('section', { key: 'brokers', 'aria-labelledby': 'brokers' }, h('h2', { id: 'brokers' }, 'Its connections to brokers'),
      h('ul', { class: 'plain' }, brokers.map(b => h('li', { key: `${b.pool} ${b.backend}` },
        h('span', { class: 'name' }, b.backend), ' of ', poolLink(b.pool), ': ', number(b.count),
        b.b.blocks.filter(x => x.nodes.includes(name)).map(x => [' ', badge('warn', x.block)]))))),
    h('section', { key: 'events', 'aria-labelledby': 'events' }, h('h2', { id: 'events' }, 'Events'), eventList(s.events.filter(e => e.node === name), 25)),
  ];
}

function missing(what, name, known) {
  return [
    h('h1', { key: 'h1', tabindex: '-1' }, `No ${what} ${name}`),
    h('p', null, known.length > 0 ? ['There are: ', known.map((k, i) => [i > 0 && ', ', k])] : 'There are none.'),
  ];
}
