// Draws what the store holds, at the place that the address names.

import { h, patch } from './dom.js';
import { connect, forgetToken, start, store } from './store.js';
import { token } from './api.js';
import { askToken } from './dialogs.js';
import { isTrouble, warnings } from './parts.js';
import { node, overview, pool } from './pages.js';
import { devices } from './devices.js';
import { clock, visible } from './text.js';

const main = document.getElementById('main');
let asking = false;
let told = null;
let toldAt = 0;

function route() {
  const [, page = '', ...rest] = location.hash.split('/');
  try {
    return { page, name: rest.length > 0 ? decodeURIComponent(rest.join('/')) : undefined };
  } catch {
    return { page: '', name: undefined };
  }
}

function draw() {
  const at = route();
  document.body.dataset.link = store.link;
  document.title = titleOf(at);
  patch(document.getElementById('header'), header(at));
  patch(document.getElementById('banners'), banners());
  patch(main, page(at));
  if (store.link === 'token') wantToken();
  announce();
}

const titleOf = ({ page, name }) => [name && visible(name), page === 'devices' ? 'Devices' : null, store.snapshot?.cluster, 'ActorLb'].filter(Boolean).join(' – ');

function header(at) {
  const link = (to, text, here) => h('li', null, h('a', { href: to, 'aria-current': here ? 'page' : null }, text));
  const s = store.snapshot;
  return [
    h('p', { class: 'brand' }, h('img', { src: '/dashboard/icon.svg', alt: '', width: '24', height: '24' }), 'ActorLb'),
    h('nav', { 'aria-label': 'Pages' }, h('ul', null,
      link('#/', 'Overview', at.page === ''),
      (s?.pools ?? []).slice(0, 6).map(p => link(`#/pool/${encodeURIComponent(p.name)}`, p.name, at.page === 'pool' && at.name === p.name)),
      link('#/devices', 'Devices', at.page === 'devices'))),
    h('p', { class: 'link' },
      h('span', { class: `dot ${store.link}`, 'aria-hidden': 'true' }),
      { live: 'live', lost: 'lost', token: 'no token', away: 'paused', starting: 'connecting' }[store.link],
      s && h('span', { class: 'note' }, ` ${clock(s.at)} by ${s.node}`)),
    token.get() && h('button', { type: 'button', class: 'quiet', onclick: forgetToken }, 'Forget the token'),
  ];
}

function banners() {
  const s = store.snapshot;
  const lost = store.link === 'lost' && h('div', { class: 'banner bad', role: 'alert', key: 'lost' },
    h('p', null, h('strong', null, 'The connection to the node is lost'), `: ${store.problem}. `, s && `What is shown is of ${clock(s.at)}. `, 'It is tried again by itself.'),
    h('button', { type: 'button', onclick: connect }, 'Try now'));
  const all = s ? warnings(s, store.names) : [];
  return [
    lost,
    all.length > 0 && h('section', { key: 'warnings', 'aria-label': 'Warnings' }, h('ul', { class: 'warnings' },
      all.map(w => h('li', { class: `banner ${w.kind}` }, h('p', null, w.text))))),
  ];
}

function page(at) {
  const s = store.snapshot;
  if (!s) {
    return [
      h('h1', { key: 'h1', tabindex: '-1' }, 'ActorLb'),
      store.link === 'token'
        ? h('p', { key: 'p' }, 'Nothing is shown without the token. ', h('button', { type: 'button', onclick: wantToken }, 'Enter the token'))
        : h('p', { key: 'p' }, store.link === 'lost' ? 'The node does not answer.' : 'Asking the node…'),
    ];
  }
  switch (at.page) {
    case 'pool': return pool(s, at.name ?? '');
    case 'node': return node(s, at.name ?? '');
    case 'devices': return devices(s, at.name, draw);
    default: return overview(s);
  }
}

async function wantToken() {
  if (asking) return;
  asking = true;
  const given = await askToken(store.problem);
  asking = false;
  if (given === null) return;
  token.set(given);
  store.link = 'starting';
  connect();
}

// One sentence now and then: a screen reader is not to read a stream of numbers.
function announce() {
  const s = store.snapshot;
  if (!s) return;
  const newest = s.events.at(-1);
  const key = newest ? `${newest.node} ${newest.number}` : '';
  if (told === null || key === told) {
    told ??= key;
    return;
  }
  if (Date.now() - toldAt < 10000) return;
  told = key;
  toldAt = Date.now();
  patch(document.getElementById('announce'), `${isTrouble(newest) ? 'Trouble: ' : ''}${newest.node}: ${visible(newest.text)}`);
}

let shown = location.hash;

window.addEventListener('hashchange', () => {
  draw();
  if (location.hash.split('/')[1] === shown.split('/')[1] && route().page === 'devices') return void (shown = location.hash);
  shown = location.hash;
  // A new page begins at its heading, for the eyes and for the keyboard.
  window.scrollTo(0, 0);
  main.querySelector('h1')?.focus();
});

start(draw);
draw();
