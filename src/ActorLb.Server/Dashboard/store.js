// What is known of the fleet, and the stream that it comes by.

import { stream, token } from './api.js';

const kept = 180;
const silence = 6000;
const hiddenFor = 30000;
const longestWait = 15000;

export const store = {
  snapshot: null,
  history: null,
  // Of nodes, by their addresses: one that is gone is named, too.
  names: new Map(),
  // 'starting', 'live', 'lost', 'token' (one is wanted), 'away' (nobody looks)
  link: 'starting',
  problem: null,
  retryAt: 0,
};

let changed = () => {};
let current = null;
let attempts = 0;
let pushedAt = 0;

export function start(onChange) {
  changed = onChange;
  document.addEventListener('visibilitychange', visibility);
  connect();
}

// Begins again now: with another token, or because somebody asks for it.
export function connect() {
  current?.abort();
  const mine = new AbortController();
  current = mine;
  run(mine);
}

export function forgetToken() {
  token.set(null);
  store.snapshot = store.history = null;
  connect();
}

async function run(mine) {
  let heard = Date.now();
  // A peer that is gone without a word ends no stream.
  const watch = setInterval(() => {
    if (Date.now() - heard > silence) mine.abort(new Error('the node sends nothing'));
  }, 1000);
  let problem = 'the node has ended the stream';
  try {
    await stream('cluster/statistics', mine.signal, (name, data) => {
      heard = Date.now();
      if (name === 'snapshot') onSnapshot(data);
      else if (name === 'history') onHistory(data);
    });
  } catch (e) {
    if (e.status === 401) {
      if (current === mine) setLink('token', token.get() ? 'The node does not take this token.' : null);
      return;
    }
    problem = e.status ? e.message : mine.signal.aborted ? mine.signal.reason?.message ?? 'the node sends nothing' : 'the node cannot be reached';
  } finally {
    clearInterval(watch);
  }
  if (current !== mine || store.link === 'away') return;
  attempts++;
  const wait = Math.min(longestWait, 500 * 2 ** attempts) * (0.75 + Math.random() / 2);
  store.retryAt = Date.now() + wait;
  setLink('lost', problem);
  setTimeout(() => {
    if (current === mine && store.link === 'lost') connect();
  }, wait);
}

function setLink(link, problem) {
  store.link = link;
  store.problem = problem;
  changed();
}

function onSnapshot(snapshot) {
  attempts = 0;
  store.snapshot = snapshot;
  for (const n of snapshot.nodes) if (n.address) store.names.set(n.address, n.name);
  store.link = 'live';
  store.problem = null;
  // Until the history comes, or where none does, the charts begin now.
  store.history ??= { step: 5, nodes: new Map(), backends: new Map() };
  if (Date.now() - pushedAt >= store.history.step * 1000) push(snapshot);
  changed();
}

function onHistory(sent) {
  const history = { step: sent.step, nodes: new Map(), backends: new Map() };
  for (const node of sent.nodes) {
    history.nodes.set(node.node, Object.fromEntries(['connections', 'connects', 'received', 'sent', 'cpu'].map(k => [k, fill(node[k])])));
  }
  for (const b of sent.backends) history.backends.set(`${b.pool}\n${b.backend}`, fill(b.connections));
  store.history = history;
  pushedAt = Date.now();
  changed();
}

// The charts go on by what the snapshots bring.
function push(snapshot) {
  const { nodes, backends } = store.history;
  pushedAt = Date.now();
  for (const [name, series] of nodes) {
    const node = snapshot.nodes.find(n => n.name === name);
    for (const key in series) add(series[key], node && node.problem === null ? node[key] : null);
  }
  for (const node of snapshot.nodes) {
    if (!nodes.has(node.name)) nodes.set(node.name, Object.fromEntries(['connections', 'connects', 'received', 'sent', 'cpu'].map(k => [k, fill([node[k]])])));
  }
  const seen = new Set();
  for (const pool of snapshot.pools) {
    for (const b of pool.backends) {
      const key = `${pool.name}\n${b.backend}`;
      seen.add(key);
      if (!backends.has(key)) backends.set(key, fill([]));
      add(backends.get(key), b.connections);
    }
  }
  for (const key of backends.keys()) if (!seen.has(key)) backends.delete(key);
}

const fill = values => [...Array(Math.max(0, kept - values.length)).fill(null), ...values.slice(-kept)];

function add(series, value) {
  series.shift();
  series.push(value);
}

// A tab that nobody sees costs the fleet nothing.
let hiding = 0;

function visibility() {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      if (store.link !== 'live' && store.link !== 'lost') return;
      store.link = 'away';
      current?.abort();
    }, hiddenFor);
  } else if (store.link === 'away') {
    store.link = 'starting';
    connect();
  }
}

// A node's series, or the sum of all nodes'.
export function series(key, node) {
  const history = store.history;
  if (!history) return null;
  if (node) return history.nodes.get(node)?.[key] ?? null;
  const sum = Array(kept).fill(null);
  for (const one of history.nodes.values()) {
    one[key].forEach((v, i) => {
      if (v !== null) sum[i] = (sum[i] ?? 0) + v;
    });
  }
  return sum;
}
