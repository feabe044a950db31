// Lines over the last 15 minutes. The drawing is for eyes; its text says the same to a screen reader.

import { h, svg } from './dom.js';

const width = 600;
const height = 100;

// series: [{ name, values, now }]; the first eight have colours and dashes of their own.
// base: what the unit's thousand is.
export function chart(title, series, format, base = 1000) {
  const known = series.filter(s => s.values);
  const top = nice(Math.max(...known.flatMap(s => s.values.map(v => v ?? 0)), 0), base);
  const last = s => s.now ?? s.values.findLast(v => v !== null) ?? null;
  const label = known.length === 0
    ? `${title}: no history yet`
    : `${title}, the last 15 minutes. ` + known.map(s => {
      const values = s.values.filter(v => v !== null);
      const name = known.length > 1 ? `${s.name}: ` : '';
      return values.length === 0 ? `${name}none yet` : `${name}now ${format(last(s))}, lowest ${format(Math.min(...values))}, highest ${format(Math.max(...values))}`;
    }).join('; ') + '.';
  return h('figure', { class: 'chart' },
    h('figcaption', null,
      h('span', { class: 'chart-title' }, title),
      known.length === 1 ? h('strong', null, format(last(known[0])))
        : h('span', { class: 'legend' }, known.map((s, i) => h('span', { class: `key c${i % 8}` },
          svg('svg', { class: 'swatch', viewBox: '0 0 18 4', 'aria-hidden': 'true' }, svg('path', { d: 'M0 2H18', class: `line c${i % 8}` })),
          `${s.name} `, h('strong', null, format(last(s))))))),
    h('div', { class: 'plot' },
      h('span', { class: 'y top', 'aria-hidden': 'true' }, format(top)),
      svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
        svg('path', { class: 'grid', d: `M0 0.5H${width}M0 ${height / 2}H${width}M0 ${height - 0.5}H${width}M${width / 3} 0V${height}M${width * 2 / 3} 0V${height}` }),
        known.length === 1 && svg('path', { class: 'area c0', d: area(known[0].values, top) }),
        known.map((s, i) => svg('path', { class: `line c${i % 8}`, d: line(s.values, top) })))),
    h('div', { class: 'x', 'aria-hidden': 'true' }, h('span', null, '−15 min'), h('span', null, '−10'), h('span', null, '−5'), h('span', null, 'now')));
}

const x = (i, n) => (i * width / (n - 1)).toFixed(1);
const y = (v, top) => (height - 1 - v / top * (height - 4)).toFixed(1);

function line(values, top) {
  let path = '';
  let pen = false;
  values.forEach((v, i) => {
    if (v !== null) path += `${pen ? 'L' : 'M'}${x(i, values.length)} ${y(v, top)}`;
    pen = v !== null;
  });
  return path;
}

function area(values, top) {
  let path = '';
  let from = -1;
  const close = to => {
    if (from >= 0) path += `L${x(to, values.length)} ${height}L${x(from, values.length)} ${height}Z`;
    from = -1;
  };
  values.forEach((v, i) => {
    if (v === null) return close(i - 1);
    path += `${from < 0 ? 'M' : 'L'}${x(i, values.length)} ${y(v, top)}`;
    if (from < 0) from = i;
  });
  close(values.length - 1);
  return path;
}

function nice(most, base) {
  if (most <= 0) return 1;
  const unit = base ** Math.max(0, Math.floor(Math.log(most) / Math.log(base)));
  const power = 10 ** Math.floor(Math.log10(most / unit));
  return unit * ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15].map(m => m * power).find(m => m * unit >= most * 1.04) ?? 20 * power);
}
