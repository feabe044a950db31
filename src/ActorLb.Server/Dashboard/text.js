// Numbers, times and names in words.

const longest = 160;

export const number = n => (n === null || n === undefined ? '–' : Math.round(n).toLocaleString('en-GB'));

export function rate(n) {
  if (n === null || n === undefined) return '–';
  return n > 0 && n < 10 ? n.toFixed(1) : number(n);
}

export function bytes(n) {
  if (n === null || n === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit > 0 && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${seconds.toFixed(1)} s`;
}

export const percent = part => (part === null || part === undefined || Number.isNaN(part) ? '–' : `${part < 0.1 && part > 0 ? (part * 100).toFixed(1) : Math.round(part * 100)} %`);

export const clock = time => new Date(time).toLocaleTimeString('en-GB');

export const date = time => new Date(time).toISOString().slice(0, 10);

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

// As pbm shows it: what has no shape of its own, or turns the text around, is written out, and long names are cut.
export function visible(name) {
  let shown = '';
  for (const c of name) {
    const code = c.codePointAt(0);
    shown += /[\p{C}\p{Zl}\p{Zp}]/u.test(c) ? (code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`) : c;
    if (shown.length > longest) return `${shown.slice(0, longest)}… (${number(name.length)} characters)`;
  }
  return shown;
}

// "90s", "10m", "1h 30m", or seconds alone; null when it is none.
export function parseDuration(text) {
  const units = { s: 1, m: 60, min: 60, h: 3600, d: 86400 };
  const trimmed = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (!/^(\d+(\.\d+)?\s*(s|min|m|h|d)\s*)+$/.test(trimmed)) return null;
  let sum = 0;
  for (const [, n, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhd])/g)) sum += Number(n) * units[unit];
  return sum;
}
