// Questions before what cannot be taken back, the token, and short answers.

import { h, patch } from './dom.js';
import { call, Refused } from './api.js';

let toastTimer = 0;

export function toast(text, bad) {
  const place = document.getElementById('toast');
  patch(place, h('p', { class: bad ? 'bad' : 'ok' }, text));
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => patch(place), bad ? 15000 : 6000);
}

// fields: [{ name, label, value, hint, type, options, parse }]; parse throws an Error with what is wrong. Resolves to the values, or null.
export function ask({ title, text, fields = [], confirm, danger = false }) {
  return new Promise(resolve => {
    const dialog = document.createElement('dialog');
    const problems = {};
    const values = Object.fromEntries(fields.map(f => [f.name, f.value ?? '']));
    const end = result => {
      dialog.close();
      dialog.remove();
      resolve(result);
    };
    const submit = event => {
      event.preventDefault();
      const parsed = {};
      let bad = null;
      for (const f of fields) {
        try {
          parsed[f.name] = f.parse ? f.parse(values[f.name]) : values[f.name];
          problems[f.name] = null;
        } catch (e) {
          problems[f.name] = e.message;
          bad ??= f.name;
        }
      }
      if (bad === null) return end(parsed);
      draw();
      dialog.querySelector(`#ask-${bad}`).focus();
    };
    const draw = () => patch(dialog, h('form', { onsubmit: submit },
      h('h2', { id: 'ask-title' }, title),
      [].concat(text || []).map(line => h('p', null, line)),
      fields.map(f => field(f, values, problems[f.name])),
      h('div', { class: 'buttons' },
        h('button', { type: 'button', class: 'cancel', onclick: () => end(null) }, 'Cancel'),
        h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, confirm))));
    dialog.setAttribute('aria-labelledby', 'ask-title');
    dialog.oncancel = event => {
      event.preventDefault();
      end(null);
    };
    draw();
    document.getElementById('dialogs').append(dialog);
    dialog.showModal();
    (dialog.querySelector('input, select') ?? dialog.querySelector(danger ? '.cancel' : '.primary')).focus();
  });
}

function field(f, values, problem) {
  const about = { id: `ask-${f.name}`, 'aria-describedby': `ask-${f.name}-hint`, 'aria-invalid': problem ? 'true' : null };
  const keep = event => {
    values[f.name] = event.target.value;
  };
  return h('div', { class: 'field' },
    h('label', { for: `ask-${f.name}` }, f.label),
    f.options
      ? h('select', { ...about, onchange: keep }, f.options.map(o => h('option', { value: o }, o)))
      : h('input', { ...about, type: f.type ?? 'text', value: values[f.name], autocomplete: 'off', spellcheck: 'false', oninput: keep }),
    h('p', { id: `ask-${f.name}-hint`, class: problem ? 'hint bad' : 'hint', role: problem ? 'alert' : null }, problem ?? f.hint ?? ''));
}

// Does it, and says what came of it. True when it was done.
export async function act(method, path, body, done) {
  try {
    const answer = await call(method, path, body);
    toast(typeof done === 'function' ? done(answer) : done);
    return true;
  } catch (e) {
    toast(e instanceof Refused && e.status === 401 ? 'The node wants its token.' : e.name === 'TimeoutError' ? 'The node has not answered; the change may have been made.' : e.message, true);
    return false;
  }
}

export async function askToken(problem) {
  const given = await ask({
    title: 'The token of the admin endpoint',
    text: [problem, 'It is in the file that admin.token-file names. This tab keeps it until it is closed, and sends it to this node alone.'].filter(Boolean),
    fields: [{
      name: 'token', label: 'Token', type: 'password',
      parse: text => {
        const trimmed = text.trim();
        if (!trimmed) throw new Error('Enter the token.');
        if (/[^\x21-\x7e]/.test(trimmed)) throw new Error('A token has no blanks and no letters beyond ASCII.');
        return trimmed;
      },
    }],
    confirm: 'Use it',
  });
  return given?.token ?? null;
}
