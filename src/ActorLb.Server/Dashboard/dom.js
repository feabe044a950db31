// Elements from plain values. Text becomes text nodes and nothing else: what a client or a broker is named can never be markup.
// A view describes what is to be seen, and patch() changes only what differs, so that focus, selection and scrolling stay.

const svgSpace = 'http://www.w3.org/2000/svg';
const asProperty = new Set(['value', 'checked', 'disabled', 'hidden', 'tabIndex', 'max']);

export function h(tag, props, ...children) {
  return { tag, props: props || {}, children: flat(children), space: null };
}

export function svg(tag, props, ...children) {
  return { tag, props: props || {}, children: flat(children), space: svgSpace };
}

export function patch(parent, ...views) {
  const wanted = flat(views);
  const keyed = new Map();
  for (const child of parent.childNodes) if (child.$key !== undefined) keyed.set(child.$key, child);
  let at = parent.firstChild;
  for (const view of wanted) {
    let node = find(view, at, keyed);
    if (node === null) {
      node = create(view);
      parent.insertBefore(node, at);
    } else if (node !== at) {
      parent.insertBefore(node, at);
    } else {
      at = at.nextSibling;
    }
    update(node, view);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function find(view, at, keyed) {
  if (typeof view === 'string') return at && at.nodeType === Node.TEXT_NODE ? at : null;
  const key = view.props.key;
  if (key !== undefined) {
    const known = keyed.get(key);
    return known && known.localName === view.tag ? known : null;
  }
  return at && at.nodeType === Node.ELEMENT_NODE && at.$key === undefined && at.localName === view.tag ? at : null;
}

function create(view) {
  if (typeof view === 'string') return document.createTextNode(view);
  const node = view.space ? document.createElementNS(view.space, view.tag) : document.createElement(view.tag);
  if (view.props.key !== undefined) node.$key = view.props.key;
  return node;
}

function update(node, view) {
  if (typeof view === 'string') {
    if (node.data !== view) node.data = view;
    return;
  }
  const before = node.$props || {};
  for (const name in before) if (!(name in view.props)) set(node, name, null);
  for (const name in view.props) if (before[name] !== view.props[name]) set(node, name, view.props[name]);
  node.$props = view.props;
  patch(node, view.children);
}

function set(node, name, value) {
  if (name === 'key') return;
  if (name.startsWith('on')) node[name] = value;
  else if (asProperty.has(name) && value !== null) node[name] = value;
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : value);
}

function flat(children) {
  const all = [];
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    all.push(typeof child === 'object' ? child : String(child));
  }
  return all;
}
